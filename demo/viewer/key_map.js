// Every key and what the mouse does, shown by `?`.

import { make } from "./controls.js";

/** Write the map in the viewer's language. */
export function writeKeyMap({ at, word }) {
  const rows = word("key_map").split("\n").map((line) => line.split("\t"));
  const table = make("table", {}, make("caption", { textContent: word("keys") }),
    make("tbody", {}, ...rows.map(([keys, does]) => make("tr", {}, make("th", { scope: "row", textContent: keys }), make("td", { textContent: does })))));
  const close = make("button", { type: "button", textContent: word("close"), onclick: () => at.keyMap.close() });
  at.keyMap.replaceChildren(table, close);
}

/** Show the map, or put it away. */
export function toggleKeyMap({ at }) {
  if (at.keyMap.open) at.keyMap.close();
  else at.keyMap.showModal();
}
