// Where another study's findings will stand, at once: what was shown is gone, and the answer takes its time.

const READY = ":is(.rs-findings, .rs-empty, .rs-trouble, .rs-hint, table)";

document.addEventListener("rs-study", (event) => {
  const box = document.querySelector("#rs-screen-table");
  if (!box || !event.detail) return;
  box.classList.add("rs-waits");
  const watch = new MutationObserver(() => {
    const shown = [...box.querySelectorAll(READY)].some((one) => !one.closest("[hidden]"));
    if (!shown) return;
    watch.disconnect();
    box.classList.remove("rs-waits");
  });
  watch.observe(box, { subtree: true, childList: true });
});
