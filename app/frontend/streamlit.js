// Host for st.components.v2. Streamlit calls the default export again with every payload and every theme change;
// the view is kept per parent element, so the document is never rebuilt. A pin is told 150 ms after it settles.

import { mountTrace } from "./traceview.js";

const VIEWS = new WeakMap();

export default function host({ data, parentElement, setStateValue }) {
  let view = VIEWS.get(parentElement);
  if (!view) {
    let timer = 0;
    let asked = 0;
    const root = document.createElement("div");
    parentElement.append(root);
    const mounted = mountTrace(root, {
      onPin(index) {
        clearTimeout(timer);
        timer = setTimeout(() => setStateValue("pin", index), 150);
      },
      onMissing(have) {
        if (Date.now() - asked < 1000) return;
        asked = Date.now();
        setStateValue("missing", { have, at: asked });
      },
    });
    view = { root, ...mounted };
    VIEWS.set(parentElement, view);
  }
  view.setTheme(isDark(view.root) ? "dark" : "light");
  if (data) view.update(data instanceof Uint8Array ? data : new Uint8Array(data));
  return () => {
    // Streamlit may run the clean-up of a call that a newer one overtook: only a detached view ends.
    setTimeout(() => {
      if (view.root.isConnected) return;
      view.destroy();
      VIEWS.delete(parentElement);
    });
  };
}

/** Whether Streamlit's page is dark, from the background that it hands to components. */
function isDark(root) {
  root.style.backgroundColor = "var(--st-background-color)";
  const channels = getComputedStyle(root).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [255, 255, 255];
  root.style.backgroundColor = "";
  return channels[3] !== 0 && 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2] < 110;
}
