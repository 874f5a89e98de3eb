"""The two pictures of the station in README and notebooks: a model of easy drawn chips, its station, two screens.

    python tests/shots.py nbs/images        # some minutes; needs Chromium and playwright
"""
import os, sys, tempfile
from pathlib import Path
from PIL import Image
from playwright.sync_api import sync_playwright
from browser import CHROME, Inspector, answered, drop, pick
from conftest import Server
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.jobs.job import train_job
from semiconductor_cls.recipe import STRONG, set_fields
from semiconductor_cls.synth import synth_folder

TYPES = 'chipping','foreign material' # At full contrast, on one package: an easy task, and the captions say so
HEAD_ONLY = ['arch=efficientnet_lite0','sizes=128','frozen_epochs=7','epochs=0']

def model(place):
    "A run on chips of one package with two types of defects; the files of its test set"
    df = synth_folder(place/'chips', n_good=300, n_defect=500, seed=3, design='SOT23', contrast=1.)
    for o in df[(df.label=='defect') & ~df.defect_type.isin(TYPES)].itertuples(): os.remove(o.path)
    m = train_job(place/'chips', set_fields(STRONG, HEAD_ONLY), path=place/'runs/shots')
    auc,lo,hi = (m[o] for o in ('auc','auc_lo','auc_hi'))
    print(f"AUC {auc:.3f} ({lo:.3f} to {hi:.3f}) on {m['n_test']} test pictures", file=sys.stderr)
    return read_csv(place/'runs/shots/preds_test.csv').path.tolist()

def a_reject(page):
    "The one of the six most doubtful pictures with the highest score, and its heat map"
    page.wait_for_selector('#queue li')
    scores = page.evaluate("[...document.querySelectorAll('#queue li')].map(o => +o.innerText.split(/\\s+/).pop())")
    pick(page, page.locator('#queue li').nth(scores.index(max(scores[:6]))))
    answered(page)
    page.wait_for_selector('#picture img.heat')

def main(out):
    with tempfile.TemporaryDirectory() as d, sync_playwright() as p:
        place = Path(d)
        os.environ['SEMICLS_CACHE'] = str(place/'cache')
        files = model(place)
        chrome = p.chromium.launch(executable_path=CHROME, args=['--no-sandbox'])
        with Server(place, run='shots') as s:
            page = Inspector(chrome, s.url, 'Ann').page
            drop(page, files[:20], 'scored')
            a_reject(page)
            page.screenshot(path=place/'wide.png')
            page.set_viewport_size(dict(width=390, height=844))
            page.locator('#picture').evaluate('o => o.scrollIntoView()')
            answered(page)
            page.screenshot(path=place/'phone.png')
        for name,shot,width in (('station','wide',1100), ('station_phone','phone',390)):
            im = Image.open(place/f'{shot}.png').convert('RGB')
            im.resize((width, round(im.height*width/im.width)), Image.LANCZOS).save(out/f'{name}.jpg', quality=82)

if __name__=='__main__': main(Path(sys.argv[1]))
