// Keys and clicks of the station. Each becomes a click on a button of Gradio.
(() => {
  const buttons = {p: 'pass', l: 'look', r: 'reject', u: 'undo', arrowright: 'next', arrowleft: 'prev'};
  const choosers = 'input[type=range],input[type=radio]';
  const fields = 'input,textarea,select,[contenteditable=true]';
  const verdicts = new Set(['pass', 'look', 'reject']);
  const queued = Object.values(buttons).map(id => '#' + id).join(',');

  // A verdict goes with the hash of the picture on the screen when the key went down
  const drawnPart = () => document.querySelector('#picture .part:not(.ahead)');
  const front = () => seen || drawnPart();
  window.stationShown = () => front()?.dataset.hash || '';
  window.stationAnswered = () => !current && !waiting.length && !over;
  window.stationPressed = () => JSON.stringify({
    n: current?.n || 0, shown: current?.shown || '', known: current?.known || 0,
    decision: current?.decision || '', about: current?.about || {}, more: waiting.some(o => verdicts.has(o.id)),
  });

  // What is pressed and not yet answered would be lost with the page. With a lost connection it is lost already
  window.addEventListener('beforeunload', e => {
    if (!lost && (current || waiting.length || trays.length)) e.preventDefault();
  });

  // ---- what the station answers

  const ask = window.fetch;
  let boot = '', lost = false;

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
    if (now && now !== boot) warn('The station was started anew, or has another model. Reload the page.', true);
    else if (answer.status === 401) warn('You are signed out. Reload the page, and sign in.', true);
    else if (answer.status === 409) warn('Somebody else has signed in here. Nothing was saved: reload the page.', true);
    else if (now) warn('');
  }

  // A tray over the limit is not sent, and a line says why
  function tooLarge(body) {
    if (!(body instanceof FormData)) return null;
    const megabytes = [...body.values()].reduce((sum, o) => sum + (o.size || 0), 0) / 1e6;
    const limit = Number(document.querySelector('meta[name=station-mb]')?.content || Infinity);
    if (megabytes <= limit) return null;
    const sizes = `${Math.ceil(megabytes).toLocaleString('en')} MB at once, over the limit of ${limit.toLocaleString('en')} MB`;
    tray = 'done';
    const why = `${sizes}: nothing was taken. Drop fewer at a time, or open a folder`;
    addLine(why);
    return new Response(why, {status: 413});
  }

  // A tray that does not arrive leaves a line
  let tray = 'done'; // The last one: given to the field, sent, or done
  function sayNotSent(body, why) {
    if (!(body instanceof FormData)) return;
    tray = 'done';
    const names = [...body.values()].map(o => o.name), more = names.length > 3 ? ` and ${names.length - 3} more` : '';
    addLine(`Not taken: ${names.slice(0, 3).join(', ')}${more}: ${why.slice(0, 200)}`);
  }

  // Whether a request is that of a key or choice: others go out meanwhile, such as what follows an earlier answer
  function carries([url, request], {n, pick}) {
    if (!String(url?.url ?? url).includes('/queue/join')) return false;
    return JSON.parse(request.body).data.some(o => String(o).startsWith(pick || `{"n":${n},`));
  }

  // Gradio asks this when it has lost the connection, and loads the page anew as soon as there is an answer
  const isReturn = url => String(url?.url ?? url).endsWith('/app_id');

  window.fetch = async (...args) => {
    lost = lost || isReturn(args[0]);
    const tooMuch = tooLarge(args[1]?.body);
    if (tooMuch) return tooMuch;
    if (current && carries(args, current)) current.sent = true;
    const isTray = args[1]?.body instanceof FormData;
    if (isTray) tray = 'sent';
    try {
      const answer = await ask(...args);
      look(answer);
      if (!answer.ok) sayNotSent(args[1]?.body, await answer.clone().text());
      return answer;
    } catch (error) {
      sayNotSent(args[1]?.body, 'drop them again; of a folder, drop the pictures in it');
      if (!isTray && error.name !== 'AbortError') warn('The station does not answer. What you do now is not kept.');
      throw error;
    }
  };

  // ---- one thing after the other

  // Gradio drops a click while it is busy. So what was pressed waits until the desk is drawn again.
  const waiting = [];
  let current = null, drawn = '', since = 0, n = 0;

  function enqueue(id, more) {
    const shown = window.stationShown();
    const counts = verdicts.has(id) && shown && !judged.has(shown);
    const about = counts ? takeAbout() : {};
    const name = front()?.querySelector('.name')?.firstChild?.textContent.trim() || '';
    const {known = 0, decision = ''} = front()?.dataset || {};
    waiting.push({n: ++n, id, shown, name, known: Number(known), decision, about, ...more});
    if (counts) goAhead(shown);
    else if (verdicts.has(id) && shown) miss();
    step();
  }

  function click() {
    since = performance.now();
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

  function tick() {
    localTimes();
    const name = document.querySelector('#who input,#who textarea');
    if (name?.value && !name.readOnly && name !== document.activeElement) lockName(name, true);
    const {drawn: now = '', answers} = document.querySelector('#drawn [data-drawn]')?.dataset || {};
    const age = performance.now() - since;
    if (now !== drawn) {
      drawn = now;
      // A click that was slow was sent twice: its second answer is not that of the key after it.
      // Only a choice from a list is answered without a number
      if (current && (answers ? Number(answers) !== current.n : !current.pick)) return;
      const key = current;
      current = null;
      giveBack(key);
    } else if (current && age > 60000) {
      waiting.length = 0;
      current = null;
      warn('The station has not answered for a minute. What was pressed meanwhile may be lost: reload the page.', true);
    } else if (current && !current.sent && age > 500) click();
    settle();
    step();
    feed();
  }
  setInterval(tick, 50);

  // The drawn number has changed: do not wait for the clock
  function watch() {
    if (document.querySelector('#heat[data-off]')) document.body.classList.add('noheat');
    const box = document.getElementById('drawn');
    if (!box) return void setTimeout(watch, 200);
    new MutationObserver(() => { tick(); preload(); }).observe(box, {childList: true, subtree: true, attributes: true});
  }
  watch();

  // How many keys came too early, said until all is answered and the next key comes
  let missed = 0;
  function miss(n = missed + 1) {
    missed = n;
    const line = document.getElementById('missed');
    const keys = n === 1 ? '1 key' : `${n} keys`;
    if (line) line.textContent = n ? `${keys} came before the next picture was there: not counted` : '';
  }

  // ---- what a verdict says more

  // It goes with the key that was pressed. The lot stays for the next part; all else was about this one.
  const aboutFields = () => [...document.querySelectorAll('[data-about]')];
  const typeButtons = () => [...document.querySelectorAll('[data-type]')];
  const chosenType = () => typeButtons().find(o => o.ariaPressed === 'true')?.dataset.type || '';

  function chooseType(name) {
    const next = name === chosenType() ? '' : name;
    typeButtons().forEach(o => { o.ariaPressed = String(o.dataset.type === next); });
  }

  function takeAbout() {
    const about = {defect_type: chosenType()};
    for (const field of aboutFields()) {
      about[field.dataset.about] = field.value.trim();
      if (field.dataset.about !== 'lot') field.value = '';
    }
    chooseType('');
    return about;
  }

  // What was refused comes back into the fields while its part is shown and nothing new stands there.
  // Else it stays as a line of its own, with the refusal: it must not go to another part.
  function giveBack(key) {
    const why = document.querySelector('#oops .bad')?.textContent;
    if (!key?.shown || !why) return;
    const isEmpty = !chosenType() && aboutFields().every(o => o.dataset.about === 'lot' || !o.value);
    const isShown = drawnPart()?.dataset.hash === key.shown && !waiting.length;
    if (!isEmpty || !isShown) return void keepLine(key, why);
    for (const field of aboutFields()) field.value = key.about[field.dataset.about] || field.value;
    if (key.about.defect_type) chooseType(key.about.defect_type);
  }

  const labels = {serial: 'serial', remark: 'note', defect_type: 'type', why_look: 'asks'};

  function keepLine(key, why) {
    const texts = Object.keys(labels).filter(o => key.about[o]).map(o => `${labels[o]} ${key.about[o]}`);
    const again = element('button', '', 'Back to it');
    again.type = 'button';
    again.dataset.pick = key.shown;
    addLine([key.name, why, texts.join(', ')].filter(o => o).join(' · '), again, ' ');
  }

  // It stays until somebody has read it
  function addLine(words, ...more) {
    const done = element('button', '', 'Done'), line = element('p', 'says bad', `${words} `, ...more, done);
    done.type = 'button';
    done.onclick = () => line.remove();
    document.getElementById('refused')?.append(line);
  }

  // ---- the next part at once

  // A verdict takes the server a moment. Meanwhile the next picture of the list lies over the page,
  // and it counts as seen once it is painted. What the server draws in the end is what stays.
  const judged = new Set(), pictures = new Map();
  let seen = null, over = null;

  const rows = () => [...document.querySelectorAll('#queue li')];

  // The rows that come after a part and are not judged yet; after the last one, the first
  function following(hash) {
    const all = rows(), i = all.findIndex(row => row.dataset.pick === hash);
    return [...all.slice(i + 1), ...all.slice(0, Math.max(i, 0))].filter(row => !judged.has(row.dataset.pick));
  }

  function picture(hash) {
    if (!pictures.has(hash)) {
      const image = new Image();
      image.className = 'plain';
      image.alt = 'the part';
      image.src = `picture/${hash}.png`;
      pictures.set(hash, image);
      if (pictures.size > 30) pictures.delete(pictures.keys().next().value);
    }
    return pictures.get(hash);
  }

  function preload() { following(window.stationShown()).slice(0, 4).forEach(row => picture(row.dataset.pick)); }

  function element(tag, name, text, ...inside) {
    const e = document.createElement(tag);
    e.className = name;
    e.textContent = text;
    e.append(...inside);
    return e;
  }

  // In the place of a picture that cannot be had, the station's own words about it
  async function sayMissing(image) {
    const answer = await ask(image.src).catch(() => null);
    const isOurs = answer && !answer.ok && answer.headers.get('content-type')?.startsWith('text/plain');
    image.replaceWith(element('div', 'gone', `No picture: ${isOurs ? await answer.text() : 'reload the page'}`));
  }

  document.addEventListener('error', e => { if (e.target.matches?.('img[src^="picture/"]')) sayMissing(e.target); }, true);

  function goAhead(hash) {
    if (missed && !judged.size) miss(0);
    judged.add(hash);
    const row = following(hash)[0];
    clearAhead();
    if (!row) return;
    const next = row.dataset.pick, {decided, score, word} = row.dataset;
    const image = picture(next);
    const name = element('p', 'name', row.querySelector('.n').textContent);
    const part = element('div', 'part ahead', '', element('div', 'stack', '', image), name);
    const {decision} = row.parentElement.dataset;
    Object.assign(part.dataset, {hash: next, known: row.dataset.known, decision});
    const said = element('div', 'ahead', '', element('div', `word ${decided}`, word),
      element('div', 'score', '', element('b', '', score)));
    document.getElementById('picture').append(part);
    if (image.complete && !image.naturalWidth) sayMissing(image);
    document.getElementById('decision').append(said);
    document.body.classList.add('ahead');
    over = [part, said];
    window.stationPicture.onPart(next);
    image.decode().then(() => requestAnimationFrame(() => requestAnimationFrame(() => {
      if (over?.[0] === part) seen = part;
    }))).catch(() => {});
    preload();
  }

  function clearAhead() {
    over?.forEach(e => e.remove());
    document.body.classList.remove('ahead');
    over = null;
  }

  // All is answered: what the server has drawn takes the place of what lay over it, once its picture is there
  function settle() {
    if (current || waiting.length) return;
    judged.clear();
    const part = drawnPart(), image = part?.querySelector('img.plain');
    const same = over && part?.dataset.hash === over[0].dataset.hash;
    if (!(same && image && !image.complete)) {
      clearAhead();
      seen = null;
    }
    window.stationPicture.onPart(window.stationShown());
  }

  // ---- pictures come in

  // Gradio's field takes one tray at a time and loses what comes meanwhile, and so does the scoring behind it. So each
  // tray waits here, wherever on the page it was dropped, until the one before is in the queue or was refused. What
  // Gradio refuses by itself is never sent, so nothing waits for ever.
  const trays = [];
  let took = '', given = 0, feeding = false;

  function bring(files) {
    if (files.length) trays.push([...files]);
    feed();
  }

  function feed() {
    const input = document.querySelector('#drop input[type=file]'), now = performance.now();
    const drawn = document.querySelector('#took [data-drawn]')?.dataset.drawn || '';
    if (drawn !== took || tray === 'given' && now - given > 10000) tray = 'done';
    took = drawn;
    if (!input || !trays.length || tray !== 'done') return;
    [tray, given, feeding] = ['given', now, true];
    const files = new DataTransfer();
    trays.shift().forEach(o => files.items.add(o));
    input.files = files.files;
    input.dispatchEvent(new Event('change'));
    feeding = false;
  }

  function onFiles(e) {
    if (feeding || !e.target.matches?.('#drop input[type=file]')) return;
    e.stopImmediatePropagation();
    bring(e.target.files);
  }

  // The field may go while somebody still chooses files for it
  function onChooser(e) {
    const input = e.target.closest?.('#drop button')?.querySelector('input[type=file]');
    if (input) input.onchange = () => bring(input.files);
  }

  function onDrag(e) {
    if (!e.dataTransfer?.types.includes('Files')) return;
    e.preventDefault(); // else the browser opens the file in the place of this page
    if (e.type !== 'drop') return;
    e.stopPropagation();
    const zone = document.querySelector('#drop');
    zone?.querySelector('button')?.dispatchEvent(new Event('dragleave'));
    if (zone?.offsetParent) bring(e.dataTransfer.files);
    else addLine('Nothing was taken: pictures are dropped where the queue stands.');
  }

  document.addEventListener('change', onFiles, true);
  document.addEventListener('click', onChooser, true);
  for (const name of ['dragover', 'drop']) document.addEventListener(name, onDrag, true);

  // ---- search

  const asked = () => [...document.querySelectorAll('[data-find]')];
  const seek = () => document.getElementById('seek')?.click();
  window.stationAsked = () => Object.fromEntries(asked().map(o => [o.dataset.find,
    o.type === 'checkbox' ? o.checked : o.value.trim()]));

  // A square of the table asks for its parts, and for nothing else
  function seekSquare(square) {
    document.querySelector('form.find')?.reset();
    for (const name of ['machine', 'verdict']) {
      document.querySelector(`[data-find=${name}]`).value = square.dataset[name];
    }
    seek();
  }

  document.addEventListener('submit', e => {
    if (!e.target.matches?.('form.find')) return;
    e.preventDefault();
    seek();
  });

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
    if (e.ctrlKey || e.metaKey || e.altKey || (e.repeat && buttons[key])) return true;
    if (e.target.matches?.(choosers)) return key.startsWith('arrow');
    return Boolean(e.target.closest?.(fields));
  }

  // The letter on the key, where the layout writes in another script
  function letterOf(e) {
    const isForeign = /^Key[A-Z]$/.test(e.code) && /^[^\x00-\x7f\p{Script=Latin}]$/u.test(e.key);
    return (isForeign ? e.code[3] : e.key).toLowerCase();
  }

  function onKey(e) {
    if (e.isComposing || e.keyCode === 229) return; // it belongs to an input method
    const key = letterOf(e);
    if (key === 'enter' && isName(e.target) && e.target.value) lockName(e.target, true);
    if ((key === 'enter' || key === 'escape') && e.target.matches?.('[data-about]')) return void e.target.blur();
    if (key === 'enter' && e.target.matches?.('tr[data-pick]')) return void e.target.click();
    if (isTyped(e, key)) return;
    const type = /^[1-9]$/.test(key) && typeButtons()[key - 1];
    if (type && type.offsetParent) {
      chooseType(type.dataset.type);
      e.preventDefault();
      return;
    }
    if (key === 'h') {
      toggleHeat();
      e.preventDefault();
      return;
    }
    if (window.stationPicture.onKey(key)) {
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
    if (row?.closest('#found')) document.querySelector('[role=tab]')?.click();
    const put = e.target.closest?.('[data-put]');
    if (put) {
      window.stationPut = put.dataset.put;
      document.getElementById('put').click();
    }
    const square = e.target.closest?.('[data-machine]');
    if (square) seekSquare(square);
    const type = e.target.closest?.('[data-type]');
    if (type) {
      chooseType(type.dataset.type);
      type.blur();
    }
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
