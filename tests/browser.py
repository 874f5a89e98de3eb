"The station in a real browser: what several test files need"
import shutil
from functools import partial

CHROMES = map(shutil.which, ('chromium','chromium-browser','google-chrome'))
CHROME = next(filter(None, CHROMES), None)
NAME = '#who input, #who textarea'
FOLDER = 'label:has-text("Folder in it") input, label:has-text("Folder in it") textarea'
HEAT = 'document.querySelector("#picture img.heat")'
ON_DESK = 'h => stationShown()==h && document.querySelector("#queue li.here").dataset.pick==h'
ONLY_ONE = ('document.querySelectorAll("#queue li").length==1 && '
            'document.querySelector("#queue li").dataset.pick==stationShown()')

def new_page(chrome, **kw):
    "A browser of its own"
    page = chrome.new_context(**kw).new_page()
    page.wait_for_function = partial(page.wait_for_function, polling=50) # else the page is drawn anew 60 times a second
    page.set_default_timeout(300_000)
    return page

class Inspector:
    "A browser of its own at the station; what goes wrong in it, and which hosts it asks"
    def __init__(self, chrome, url, name):
        self.problems,self.hosts = [],set()
        self.page = new_page(chrome, viewport=dict(width=1440, height=900))
        self.page.on('dialog', self.dismiss)
        self.page.on('pageerror', lambda e: self.problems.append(str(e)))
        self.page.on('request', self.note_host)
        self.page.goto(url)
        for o in (NAME, '#queue .note'): self.page.wait_for_selector(o)
        self.page.fill(NAME, name)
        self.page.press(NAME, 'Enter')

    def dismiss(self, dialog):
        self.problems.append(dialog.message)
        dialog.dismiss()

    def note_host(self, request):
        if request.url.startswith('http'): self.hosts.add(request.url.split('/')[2])

def signed_in(page, url, name, secret='secret-words'):
    "The station's page, opened by a person"
    page.goto(url)
    page.fill('[name=name]', name)
    page.fill('[name=secret]', secret)
    page.press('[name=secret]', 'Enter')
    page.wait_for_selector('#queue .note')
    return page

def sign_in(chrome, s, name): return signed_in(new_page(chrome, viewport=dict(width=1440, height=900)), s.url, name)

TWICE = """() => {
    const once = HTMLElement.prototype.click;
    const keys = ['pass', 'look', 'reject', 'undo', 'next', 'prev'];
    HTMLElement.prototype.click = function () {
        once.call(this);
        if (keys.includes(this.id)) once.call(this);
    };
}"""

def send_twice(page):
    "Each event of the page reaches the station twice, as a slow machine may send it"
    page.evaluate(TWICE)

DROPPED = """() => {
    const real = HTMLElement.prototype.click;
    HTMLElement.prototype.click = function () {
        if (this.id != 'reject') return real.call(this);
        HTMLElement.prototype.click = real;
        fetch('gradio_api/queue/join', {method: 'POST', body: JSON.stringify({data: [null]})});
    };
}"""

def drop_next_click(page):
    "The next click on *reject* is lost, as Gradio may lose one, and another request goes out at that moment"
    page.evaluate(DROPPED)

def says(page, words):
    page.wait_for_function('w => document.querySelector("#says").innerText.includes(w)', arg=words)

def drop(page, files, words):
    page.set_input_files('#drop input[type=file]', files)
    says(page, words)

def packed(files): return [dict(name=n, mimeType='image/png', buffer=data) for n,data in files.items()]
def files_of(place, label, a, b): return [str(p) for p in sorted((place/'parts'/label).iterdir())[a:b]]
def shown(page): return page.evaluate('stationShown()')
def on_desk(page, h): page.wait_for_function('h => stationShown()==h', arg=h)

def press(page, key):
    "Press a key that brings another picture; the picture before"
    from playwright.sync_api import TimeoutError
    h = shown(page)
    for patience in (30_000, 30_000, 300_000):
        page.keyboard.press(key)
        try: page.wait_for_function('h => stationShown()!=h', arg=h, timeout=patience)
        except TimeoutError: continue # Gradio dropped the click, busy with an earlier one: press again, as people do
        return h
    raise AssertionError(f'{key}: no other picture came')

def pick(page, item):
    "Choose a picture of the queue"
    h = item.get_attribute('data-pick')
    item.click()
    page.wait_for_function(ON_DESK, arg=h)
    return h

def answered(page): page.wait_for_function('stationAnswered()')
def oops(page, words): page.wait_for_function('w => document.querySelector("#oops").innerText.includes(w)', arg=words)
def waits(page, n): page.wait_for_function('n => document.querySelectorAll("#queue li").length==n', arg=n)
def stands(page, words):
    page.wait_for_function('w => (document.querySelector(".stands")?.innerText||"").includes(w)', arg=words)

def bring(page, place, n):
    "Drop the first `n` good parts of a place; they wait"
    drop(page, files_of(place, 'good', 0, n), f"{n} picture{'s'*(n>1)} scored")
    waits(page, n)

def with_parts(chrome, s, name, n):
    "The page of an inspector at a station, on which the first `n` good parts of its place wait"
    page = Inspector(chrome, s.url, name).page
    bring(page, s.place, n)
    return page

def fill(page, **said):
    for name,text in said.items(): page.fill(f'[data-about={name}]', text)
    page.keyboard.press('Enter') # as a scanner of bar codes does; the keys belong to the station again

# ---- what fits on a screen

SIZES = [(1440,900), (1024,768), (390,844)]

TOUCHED = """() => [...document.querySelectorAll('button,input,select,textarea,a[href],[data-pick],[role=tab]')]
    .filter(o => o.offsetParent && !o.closest('[aria-hidden=true]') && !o.matches('[type=radio],[type=checkbox]'))
    .map(o => [o.outerHTML.slice(0, 90), o.getBoundingClientRect()])
    .map(([html, b]) => ({html, width: b.width, height: b.height, right: b.right, x: b.x}))"""

def fits(page, width):
    "Nothing is wider than the screen, and on a phone all is wide enough for a finger, the verdicts under the thumb"
    assert page.evaluate('document.documentElement.scrollWidth')<=width
    touched = page.evaluate(TOUCHED)
    beyond = [o['html'] for o in touched if o['right']>width+.5 or o['x']<0]
    assert len(touched)>5 and beyond==[], 'what sticks out of the screen'
    if width>700: return
    assert [o for o in touched if min(o['width'], o['height'])<43.5]==[], 'too small for a finger'
    if not page.is_visible('#pass'): return
    for name in ('#pass','#look','#reject'):
        box = page.locator(name).bounding_box()
        assert box['height']>=48 and box['y']+box['height']>844-80, name

def fits_everywhere(page):
    "`fits` on a desk, a tablet and a phone"
    for width,height in SIZES:
        page.set_viewport_size(dict(width=width, height=height))
        fits(page, width)
