// What the testers' page and /admin keep in the browser: items by name, and drafts of what is typed.
// Testers' lie in `localStorage`, so that they outlive a closed tab; researchers' in `sessionStorage`, so that they do not.
window.diptychStorage = (place) => {
  // Everything lies in the browser's storage, an item by itself, so that two tabs never write over each other. Where
  // storage is denied (cookies blocked, some frames and private windows), it lies in memory, and the page says so.
  const memory = new Map();
  const state = { denied: false, full: false };
  const storage = (act) => {
    try {
      return act(window[place]);
    } catch (error) {
      state[["QuotaExceededError", "NS_ERROR_DOM_QUOTA_REACHED"].includes(error.name) ? "full" : "denied"] = true;
      return null;
    }
  };
  // Apps under several paths of one host share its storage; each has its own names.
  const path = location.pathname.replace(/\/+$/, "");
  const name = (item) => `diptych${path}.${item}`;
  const read = (item) => memory.get(item) ?? storage((kept) => kept.getItem(name(item)));
  const write = (item, text) => {
    memory.delete(item);
    if (storage((kept) => (kept.setItem(name(item), text), true)) === null) memory.set(item, text);
  };
  const remove = (item) => {
    memory.delete(item);
    storage((kept) => kept.removeItem(name(item)));
  };
  const parsed = (text) => {
    try {
      return JSON.parse(text) ?? {};
    } catch {
      return {};
    }
  };

  const setValue = (box, value) => {
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value").set.call(box, value);
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };

  // Drafts of fields, each of which has boxes and belongs to a state of the page (`scope`). A box is filled when its state
  // begins, and held so for a moment: Gradio may still be filling it too.
  const drafts = ({ fields, boxes, scope, valueOf, fill, hold = 1000 }) => {
    const begun = new Map();
    const save = (some = fields) => {
      for (const field of some) {
        const [of, value] = [scope(field), valueOf(field)];
        if (of && value !== undefined) write(`draft.${field}`, JSON.stringify({ of, value }));
      }
    };
    // A look that was planned for a moment within it counts as such: on a busy computer it comes long after.
    const restore = (planned) => {
      for (const field of fields) {
        const of = scope(field);
        const [first] = boxes(field);
        if (!of || !first) continue;
        const stage = `${field} ${of}`;
        if (!begun.has(stage)) {
          begun.set(stage, performance.now());
          for (const wait of [100, 300, 900, hold - 100]) setTimeout(() => restore(stage), wait);
        }
        if (planned !== stage && performance.now() - begun.get(stage) > hold) continue;
        const draft = parsed(read(`draft.${field}`));
        if (draft.of === of && draft.value !== undefined) fill(field, draft.value);
      }
    };
    return { save, restore };
  };

  return { state, memory, storage, path, name, read, write, remove, parsed, setValue, drafts };
};
