"""How long after a verdict key the next part's picture is painted at the inspection station.

    python tests/bench_station.py [--parts 40] [--pause 1.0] [--width 1440]

A tiny run is trained on drawn parts, a station serves it, and a browser without a window judges the parts by keyboard,
a key each `--pause` seconds. A time ends two frames after the next picture has been decoded, when the page takes the
next key for that picture. CPU is what the station, and the browser's processes, took for one part, waiting included.
"""
import argparse, shutil, sys, tempfile
from pathlib import Path
import numpy as np, psutil
sys.path.insert(0, str(Path(__file__).parent))
from browser import CHROME, Inspector
from conftest import Server, tiny

TIMED = '''([keys, pause]) => new Promise(done => {
    const times = [];
    const next = i => {
        if (i === keys.length) return done(times);
        const part = stationShown(), start = performance.now();
        document.body.dispatchEvent(new KeyboardEvent('keydown', {key: keys[i], bubbles: true}));
        const look = () => {
            if (stationShown() === part) return requestAnimationFrame(look);
            times.push(performance.now() - start);
            setTimeout(() => next(i + 1), pause);
        };
        look();
    };
    next(0);
})'''

WAIT = 'n => document.querySelectorAll("#queue li").length===n'

def train_tiny(place, n):
    "A run and the parts it was trained on"
    from semiconductor_cls.base.table import write_csv
    from semiconductor_cls.jobs.job import train_job
    from semiconductor_cls.synth import synth_folder
    write_csv(synth_folder(place/'parts', n, n), place/'parts.csv')
    train_job(place/'parts.csv', tiny(), path=place/'runs/a', weights='none')

def cpu_of(process):
    "CPU seconds of a process and of those that it started"
    return sum(sum(o.cpu_times()[:2]) for o in [process, *process.children(recursive=True)])

def measure(place, files, pause, width):
    "Milliseconds from key to paint; CPU seconds of station and browser"
    from playwright.sync_api import sync_playwright
    with Server(place, '--verdicts', 'timed', run='a') as s, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROME, args=['--no-sandbox'])
        page = Inspector(browser, s.url, 'Ann').page
        page.set_viewport_size(dict(width=width, height=900))
        for i in range(0, len(files), 20):
            page.set_input_files('#drop input[type=file]', files[i:i+20])
            page.wait_for_function(WAIT, arg=min(i+20, len(files)))
        me,station = psutil.Process(),psutil.Process(s.p.pid)
        before = cpu_of(station),cpu_of(me)
        times = page.evaluate(TIMED, [list('pr'*len(files))[:len(files)-1], 1000*pause])
        taken = cpu_of(station)-before[0],cpu_of(me)-before[1]
        browser.close()
    return np.array(times),taken

def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument('--parts', type=int, default=40)
    args.add_argument('--pause', type=float, default=1., help='seconds between a painted picture and the next key')
    args.add_argument('--width', type=int, default=1440, help='of the page, in pixels')
    args = args.parse_args()
    if not CHROME: sys.exit('no chromium on this machine: apt-get install chromium')
    place = Path(tempfile.mkdtemp())
    try:
        train_tiny(place, args.parts)
        files = sorted(str(o) for o in (place/'parts').rglob('*') if o.is_file())[::2][:args.parts]
        times,(station,browser) = measure(place, files, args.pause, args.width)
    finally: shutil.rmtree(place)
    low,middle,high = np.quantile(times, [.05,.5,.95])
    print(f'{len(times)} parts, {args.width} px: from key to paint {middle:.0f} ms '
          f'(median; 5 to 95 %: {low:.0f} to {high:.0f})')
    print(f'CPU a part: station {1000*station/len(times):.0f} ms, browser {1000*browser/len(times):.0f} ms')

if __name__=='__main__': main()
