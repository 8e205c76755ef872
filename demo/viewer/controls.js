// The viewer's elements. Words and data enter as text or property values, never as markup.

/** Return an element; `set` holds properties, and attributes where the name has a dash or is "role". */
export function make(tag, set = {}, ...children) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(set)) {
    if (name.includes("-") || name === "role") one.setAttribute(name, value);
    else one[name] = value;
  }
  one.append(...children);
  return one;
}

/** Put a select's choices in place: [[value, words]...]. */
export function choices(select, offered, chosen) {
  select.replaceChildren(...offered.map(([value, words]) => make("option", { value, textContent: words })));
  select.value = chosen;
}

/** Build the viewer in a shadow root and return its elements by name. */
export function build(root) {
  const at = {};
  const field = (name, control) => {
    at[name] = control;
    at[`${name}Name`] = make("span");
    return make("label", { className: `field ${name}` }, at[`${name}Name`], control);
  };
  at.planes = make("div", { className: "planes", role: "group" });
  at.zoomOut = make("button", { type: "button", textContent: "\u2212" });
  at.zoomIn = make("button", { type: "button", textContent: "+" });
  at.fit = make("button", { type: "button", className: "wide" });
  at.cine = make("button", { type: "button", textContent: "\u25b6", "aria-pressed": "false" });
  at.measure = make("button", { type: "button", className: "wide", "aria-pressed": "false" });
  at.oval = make("button", { type: "button", className: "wide", "aria-pressed": "false" });
  at.keep = make("button", { type: "button", className: "wide", hidden: true });
  at.help_button = make("button", { type: "button", textContent: "?" });
  at.keyMap = make("dialog", { className: "keyMap" });
  at.png = make("button", { type: "button", className: "wide" });
  at.heatOn = make("input", { type: "checkbox", checked: true });
  at.heatName = make("span");
  at.opacity = make("input", { type: "range", min: 0, max: 100, value: 60 });
  at.heat = make("div", { className: "heat", hidden: true }, make("label", {}, at.heatOn, at.heatName), at.opacity);
  at.bar = make("div", { className: "bar", role: "toolbar" },
    field("series", make("select")), at.planes, field("window", make("select")),
    make("div", { className: "numbers" }, field("level", make("input", { type: "number", step: "any" })),
      field("width", make("input", { type: "number", step: "any" }))),
    make("div", { className: "zooms" }, at.zoomOut, at.zoomIn, at.fit, at.cine, at.measure, at.oval, at.keep, at.png, at.help_button), at.heat);
  at.stage = buildStage(at);
  at.profile = make("canvas", { className: "profile", role: "img", hidden: true });
  at.slider = make("input", { type: "range", className: "slider", min: 0, max: 0, value: 0, step: 1 });
  at.keys = make("div", { className: "keys", role: "group", hidden: true });
  at.legend = make("div", { className: "legend", hidden: true });
  at.regions = make("div", { className: "regions", hidden: true });
  at.say = make("p", { className: "say", role: "status" });
  at.cautions = make("ul", { className: "cautions", hidden: true });
  at.notice = make("p", { className: "notice" });
  at.help = make("p", { className: "help", id: "help" });
  at.whole = make("section", { className: "viewer" }, at.bar, at.stage, at.profile, at.slider,
    make("div", { className: "under" }, at.keys, at.legend), at.regions, at.say, at.cautions, at.help, at.notice, at.keyMap);
  root.append(at.whole);
  return at;
}

function buildStage(at) {
  at.canvas = make("canvas", { "aria-hidden": "true" });
  for (const corner of ["topLeft", "topRight", "bottomLeft", "bottomRight"]) {
    at[corner] = make("div", { className: `corner ${corner}` });
  }
  at.edges = ["left", "right", "top", "bottom"].map((side) => make("div", { className: `edge ${side}` }));
  at.sides = make("div", { className: "corner sides" });
  at.ruler = make("div", { className: "ruler", hidden: true });
  at.rulerWords = make("div", { className: "rulerWords" });
  at.message = make("div", { className: "message", hidden: true });
  at.scale = make("div", { className: "scale" }, at.ruler, at.rulerWords);
  return make("div", { className: "stage", tabIndex: 0, role: "application", "aria-describedby": "help" },
    at.canvas, at.topLeft, at.topRight, at.bottomLeft, at.bottomRight, ...at.edges, at.sides, at.scale, at.message);
}
