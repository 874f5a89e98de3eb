// Keys and clicks of the station. Each becomes a click on a button of Gradio.
(() => {
  const buttons = {p: 'pass', l: 'look', r: 'reject', u: 'undo', arrowright: 'next', arrowleft: 'prev'};
  const choosers = 'input[type=range],input[type=radio]';
  const fields = 'input,textarea,select,[contenteditable=true]';

  // A verdict goes with the hash of the picture on the screen when the key went down
  window.stationShown = () => document.querySelector('.part')?.dataset.hash || '';

  function toggleHeat() { document.body.classList.toggle('noheat'); }

  // Whether a key belongs to what has the focus, and not to the station
  function isTyped(e, key) {
    if (e.ctrlKey || e.metaKey || e.altKey || e.repeat) return true;
    if (e.target.matches?.(choosers)) return key.startsWith('arrow');
    return Boolean(e.target.closest?.(fields));
  }

  function onKey(e) {
    const key = e.key.toLowerCase();
    if (key === 'enter' && e.target.matches?.('#who input,#who textarea')) e.target.blur();
    if (isTyped(e, key)) return;
    if (key === 'h') {
      toggleHeat();
      e.preventDefault();
      return;
    }
    const id = buttons[key];
    const button = id && document.getElementById(id);
    if (!button || button.offsetParent === null) return;
    e.preventDefault();
    button.click();
  }

  // After a choice the keys belong to the station again
  function onChange(e) {
    if (e.target.matches?.('input[type=file],' + choosers)) document.activeElement?.blur();
  }

  function onClick(e) {
    const row = e.target.closest?.('[data-pick]');
    if (row) {
      window.stationPick = row.dataset.pick;
      document.getElementById('pick')?.click();
    }
    if (e.target.closest?.('#heat')) toggleHeat();
  }

  document.addEventListener('keydown', onKey);
  document.addEventListener('change', onChange);
  document.addEventListener('click', onClick);
})();
