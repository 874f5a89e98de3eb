// Keys and clicks of the station. Each becomes a click on a button of Gradio.
(() => {
  const buttons = {p: 'pass', l: 'look', r: 'reject', u: 'undo', arrowright: 'next', arrowleft: 'prev'};
  const choosers = 'input[type=range],input[type=radio]';
  const fields = 'input,textarea,select,[contenteditable=true]';
  const queued = Object.values(buttons).map(id => '#' + id).join(',');

  // A verdict goes with the hash of the picture on the screen when the key went down
  window.stationShown = () => document.querySelector('.part')?.dataset.hash || '';
  window.stationPressed = () => JSON.stringify({shown: current?.shown || '', known: current?.known || 0});
  const known = () => Number(document.querySelector('.part')?.dataset.known || 0);

  // ---- what the station answers

  const ask = window.fetch;
  let boot = '', joins = 0;

  // A line over the page, which stays until the page is loaded again or the station answers again
  function warn(text, stays) {
    let line = document.getElementById('warn');
    if (line?.dataset.stays) return;
    line?.remove();
    if (!text) return;
    line = document.createElement('div');
    line.id = 'warn';
    line.setAttribute('role', 'alert');
    line.textContent = text;
    if (stays) line.dataset.stays = 'yes';
    const button = document.createElement('button');
    button.textContent = 'Reload';
    button.onclick = () => location.reload();
    line.append(button);
    document.body.append(line);
  }

  function look(answer) {
    const now = answer.headers.get('x-station');
    boot = boot || now;
    if (now && now !== boot) warn('The station was started anew. Reload the page.', true);
    else if (answer.status === 401) warn('You are signed out. Reload the page, and sign in.', true);
    else if (now) warn('');
  }

  window.fetch = async (...args) => {
    if (String(args[0]?.url ?? args[0]).includes('/queue/join')) joins++;
    try {
      const answer = await ask(...args);
      look(answer);
      return answer;
    } catch (error) {
      if (error.name !== 'AbortError') warn('The station does not answer. What you do now is not kept.');
      throw error;
    }
  };

  // ---- one thing after the other

  // Gradio drops a click while it is busy. So what was pressed waits until the desk is drawn again.
  const waiting = [];
  let current = null, drawn = '', since = 0;

  function enqueue(id, more) {
    waiting.push({id, shown: window.stationShown(), known: known(), ...more});
    step();
  }

  function click() {
    since = performance.now();
    current.joins = joins;
    if (current.pick) window.stationPick = current.pick;
    document.getElementById(current.id)?.click();
  }

  function step() {
    if (current || !drawn || !waiting.length) return;
    current = waiting.shift();
    click();
  }

  // Times come as UTC, and are shown as the clock on the wall has them
  function localTimes() {
    for (const time of document.querySelectorAll('time:not([data-local])')) {
      const when = new Date(time.dateTime);
      time.dataset.local = 'yes';
      if (!isNaN(when)) time.textContent = when.toLocaleString([], {dateStyle: 'short', timeStyle: 'short'});
    }
  }

  setInterval(() => {
    localTimes();
    const name = document.querySelector('#who input,#who textarea');
    if (name?.value && !name.readOnly && name !== document.activeElement) lockName(name, true);
    const now = document.querySelector('#drawn [data-drawn]')?.dataset.drawn || '';
    const age = performance.now() - since;
    if (now !== drawn) {
      drawn = now;
      current = null;
    } else if (current && age > 60000) {
      waiting.length = 0;
      current = null;
      warn('The station has not answered for a minute. Reload the page.', true);
    } else if (current && joins === current.joins && age > 500) click();
    step();
  }, 50);

  // ---- keys and clicks

  function toggleHeat() { document.body.classList.toggle('noheat'); }

  // A name that stands is not typed into by chance: a double click opens it again
  function lockName(field, locked) {
    field.readOnly = locked;
    field.title = locked ? 'Double click to change the name' : '';
    if (locked) field.blur();
  }

  const isName = target => target.matches?.('#who input,#who textarea');
  document.addEventListener('dblclick', e => isName(e.target) && !e.target.disabled && lockName(e.target, false));

  // Whether a key belongs to what has the focus, and not to the station
  function isTyped(e, key) {
    if (isName(e.target) && e.target.readOnly && key !== 'tab') return e.ctrlKey || e.metaKey || e.altKey || e.repeat;
    if (e.ctrlKey || e.metaKey || e.altKey || e.repeat) return true;
    if (e.target.matches?.(choosers)) return key.startsWith('arrow');
    return Boolean(e.target.closest?.(fields));
  }

  function onKey(e) {
    const key = e.key.toLowerCase();
    if (key === 'enter' && isName(e.target) && e.target.value) lockName(e.target, true);
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
    enqueue(id);
  }

  // After a choice the keys belong to the station again
  function onChange(e) {
    if (e.target.matches?.('input[type=file],' + choosers)) document.activeElement?.blur();
  }

  function onClick(e) {
    const row = e.target.closest?.('[data-pick]');
    if (row) enqueue('pick', {pick: row.dataset.pick});
    if (e.target.closest?.('#heat')) toggleHeat();
  }

  // A click of a person waits its turn like a key; our own go through
  function onOwnClick(e) {
    const button = e.isTrusted && e.target.closest?.(queued);
    if (!button) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    enqueue(button.id);
  }

  document.addEventListener('click', onOwnClick, true);
  document.addEventListener('keydown', onKey);
  document.addEventListener('change', onChange);
  document.addEventListener('click', onClick);
})();
