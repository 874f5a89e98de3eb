// The picture of the station: zoom and pan by wheel, drag, pinch and keys; light by keys and sliders.
// All of it is a few variables of CSS, so a picture that the station draws anew keeps its place.
(() => {
  const plain = {zoom: 1, x: 0, y: 0, bright: 1, contrast: 1};
  const limits = {zoom: [1, 40], bright: [.2, 5], contrast: [.2, 5]};
  const keys = {
    '+': () => zoomTo(view.zoom * 1.25), '=': () => zoomTo(view.zoom * 1.25), '-': () => zoomTo(view.zoom / 1.25),
    b: () => light('bright', 1.1), d: () => light('bright', 1 / 1.1),
    c: () => light('contrast', 1.1), v: () => light('contrast', 1 / 1.1),
    0: () => draw(plain),
  };
  const arrows = {arrowleft: [1, 0], arrowright: [-1, 0], arrowup: [0, 1], arrowdown: [0, -1]};
  const within = (x, [low, high]) => Math.min(Math.max(x, low), high);
  const stack = () => [...document.querySelectorAll('.part .stack')].find(o => o.offsetParent);
  const fingers = new Map();
  let view = {...plain}, part = '';

  function draw(change) {
    view = {...view, ...change};
    for (const name in limits) view[name] = within(view[name], limits[name]);
    const box = stack();
    const [w, h] = box ? [box.clientWidth, box.clientHeight] : [0, 0];
    view.x = within(view.x, [-(view.zoom - 1) * w / 2, (view.zoom - 1) * w / 2]);
    view.y = within(view.y, [-(view.zoom - 1) * h / 2, (view.zoom - 1) * h / 2]);
    const style = document.documentElement.style;
    for (const name of ['zoom', 'bright', 'contrast']) style.setProperty(`--${name}`, view[name].toFixed(3));
    for (const name of ['x', 'y']) style.setProperty(`--${name}`, `${view[name].toFixed(1)}px`);
    const image = box?.querySelector('img.plain');
    const scale = image?.naturalWidth ? view.zoom * Math.min(w / image.naturalWidth, h / image.naturalHeight) : 1;
    document.body.classList.toggle('zoomed', view.zoom > 1);
    document.body.classList.toggle('pixels', scale >= 4);
    for (const name of ['bright', 'contrast']) {
      const slider = document.getElementById(name);
      if (slider) slider.value = view[name];
    }
    const said = document.getElementById('scale');
    if (said) said.textContent = view.zoom > 1 ? `${view.zoom.toFixed(1)} ×` : '';
  }

  // A place of the screen, from the middle of the picture
  function fromMiddle(e) {
    const box = stack()?.getBoundingClientRect();
    return box ? [e.clientX - box.left - box.width / 2, e.clientY - box.top - box.height / 2] : [0, 0];
  }

  // What is under the pointer stays under it
  function zoomTo(zoom, [x, y] = [0, 0]) {
    zoom = within(zoom, limits.zoom);
    const times = zoom / view.zoom;
    draw({zoom, x: x - (x - view.x) * times, y: y - (y - view.y) * times});
  }

  function light(name, times) { draw({[name]: view[name] * times}); }

  // Whether the key was one of the picture's
  function onKey(key) {
    const arrow = view.zoom > 1 && arrows[key];
    if (arrow) draw({x: view.x + 60 * arrow[0], y: view.y + 60 * arrow[1]});
    else if (keys[key]) keys[key]();
    else return false;
    return true;
  }

  // The light stays as the eye wants it; the place is another one in each part
  function onPart(hash) {
    if (hash === part) return;
    part = hash;
    draw({zoom: 1, x: 0, y: 0});
  }

  const apart = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  };

  function onMove(e) {
    const before = fingers.get(e.pointerId);
    if (!before) return;
    const gap = fingers.size === 2 ? apart() : 0;
    fingers.set(e.pointerId, e);
    if (gap) zoomTo(view.zoom * apart() / gap, fromMiddle(e));
    else draw({x: view.x + e.clientX - before.clientX, y: view.y + e.clientY - before.clientY});
  }

  document.addEventListener('wheel', e => {
    if (!e.target.closest?.('.part .stack')) return;
    e.preventDefault();
    zoomTo(view.zoom * Math.exp(-e.deltaY / (e.deltaMode ? 10 : 400)), fromMiddle(e));
  }, {passive: false});
  document.addEventListener('pointerdown', e => e.target.closest?.('.part .stack') && fingers.set(e.pointerId, e));
  document.addEventListener('pointermove', onMove);
  for (const end of ['pointerup', 'pointercancel']) document.addEventListener(end, e => fingers.delete(e.pointerId));
  document.addEventListener('dblclick', e => e.target.closest?.('.part .stack') && zoomTo(view.zoom > 1 ? 1 : 4, fromMiddle(e)));
  document.addEventListener('dragstart', e => e.target.closest?.('.part .stack,img') && e.preventDefault()); // no tray of our own
  document.addEventListener('input', e => e.target.matches?.('#bright,#contrast') && draw({[e.target.id]: Number(e.target.value)}));
  window.stationPicture = {onKey, onPart, view: () => ({...view})};
})();
