// The page's own script: buttons that open studies and slices, the viewers, files dropped anywhere.
// Data reaches the document through attributes and textContent only.

let send = null;

/** Called once by the unseen element of shell.py: `trigger(name, data)` tells Python what was clicked. */
export function wire(trigger) {
  send = trigger;
}

/** Open a study in the Screen tab. */
export function openStudy(key) {
  if (send) send("open", { study: key });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-open]");
  if (button) openStudy(button.dataset.open);
});
