"Guards one sitting at the station: parts, an undo, a second look, a training with the verdicts, its run put on"
import base64, shutil
import pandas as pd, pytest
pytest.importorskip('gradio')
pytest.importorskip('pytorch_grad_cam')
from browser import *
from conftest import Server, get, journal_of
from semiconductor_cls.station.station import model_name
from semiconductor_cls.station.verdicts import Verdicts, weights_of
from semiconductor_cls.base.run import open_run
from semiconductor_cls.synth import synth_folder

ANN = 'Basic '+base64.b64encode(b'ann:secret-words').decode()

def journal(s): return journal_of(s, authorization=ANN)
def seen(place, v): return Verdicts(place/v).read('select hash, model, score from seen')

def judged_parts(ann, bob, s, files):
    "Ann judges four parts, takes one verdict back and asks for a second look, which Bob gives; two parts wait on"
    drop(ann, files, f'{len(files)} pictures scored')
    waits(ann, len(files))
    press(ann, 'p')
    press(ann, 'r')
    undone = press(ann, 'p')
    answered(ann)
    ann.keyboard.press('u')
    on_desk(ann, undone)
    oops(ann, 'Taken back: pass')
    answered(ann)
    press(ann, 'r')
    fill(ann, why_look='edge unclear')
    look = press(ann, 'l')
    answered(ann)
    bob.get_by_label('Second looks').click()
    on_desk(bob, look)
    stands(bob, 'asks: edge unclear')
    bob.keyboard.press('p')
    answered(bob)
    waits(ann, len(files)-4)
    return journal(s)

def to_models(page):
    page.get_by_role('tab', name='Inspect').click()
    page.get_by_role('tab', name='Models').click()
    page.wait_for_selector('#models .note')

def reloaded(page, model):
    "The page after the line that asks for it was followed"
    page.wait_for_selector('#warn')
    assert 'has another model' in page.inner_text('#warn')
    page.click('#warn button')
    has_model(page, model)

def has_model(page, model):
    page.wait_for_function('m => document.querySelector(".top h1")?.innerText.includes(m)', arg=model)
    page.wait_for_selector('#queue .note')

def loaded_again(page, model):
    page.reload()
    has_model(page, model)

def offered(page, may):
    "What the page of models says of each run; whether it has buttons"
    to_models(page)
    assert (page.locator('#models [data-put]').count()>0)==may
    rows = [o.inner_text().split('\t') for o in page.locator('#models .cards tr').all()[1:]]
    return {o[0].strip():o for o in rows}

def test_one_sitting_closes_the_loop(place, chrome, tmp_path, semicls):
    synth_folder(tmp_path/'fresh', 5, 1, seed=77)
    files = [str(o) for o in sorted((tmp_path/'fresh').rglob('*.bmp'))]
    people = '--user', 'ann:secret-words', '--user', 'bob:secret-words', '--user', 'eve:secret-words:engineer'
    with Server(place, '--verdicts', 'loop', *people, run='a') as s:
        ann,bob,eve = (sign_in(chrome, s, n) for n in ('ann','bob','eve'))
        said = judged_parts(ann, bob, s, files)
        assert said.verdict.tolist()==['pass','reject','pass','reject','look','pass']
        assert (said.taken_back!='').tolist()==[False,False,True,False,False,False]
        wait = {o.get_attribute('data-pick') for o in ann.locator('#queue li').all()}

        assert get(s.url+'verdicts.csv', authorization=ANN)[0]==200 # written for the training
        run,new = place/'runs/a',place/'runs/better'
        made = semicls('train', run, '--add', place/'loop/verdicts.csv', '--out', new, '--weights', 'none')
        assert made.returncode==0 and 'verdicts: 4 new training pictures' in made.err, made.err
        compared = semicls('compare', run, new, '--out', 'compared.csv')
        assert compared.returncode==0, compared.err
        row = pd.read_csv(tmp_path/'compared.csv').iloc[1]
        told,_ = offered(ann, may=False),offered(eve, may=True)
        assert f"{row['diff']:+.3f} ({row.diff_lo:+.3f} to {row.diff_hi:+.3f})" in told['better'][2]
        for width,height in SIZES:
            eve.set_viewport_size(dict(width=width, height=height))
            fits(eve, width)
            eve.screenshot(path=tmp_path/f'models_{width}.png')

        old,better = (model_name(open_run(o)) for o in (run,new))
        eve.click('#models [data-put=better]')
        eve.wait_for_function('m => document.querySelector("#put-said").innerText.includes(m)', arg=better)
        eve.wait_for_function('m => document.querySelector("#put-on")?.innerText.includes(m)', arg=better)
        fits_everywhere(eve)
        ann.get_by_role('tab', name='Inspect').click()
        ann.keyboard.press('p')
        oops(ann, f'{better} was put on, and nothing was saved')
        assert len(journal(s))==len(said), 'a verdict about a score that is gone does not count'
        reloaded(ann, better)
        waits(ann, 2)
        assert {o.get_attribute('data-pick') for o in ann.locator('#queue li').all()}==wait
        scores = seen(place, 'loop')
        new,before = map(weights_of, (better, old))
        assert set(scores.hash[scores.model==new])==wait and len(scores[scores.model==before])==len(files)
        last = press(ann, 'p')
        answered(ann)
        row,kept = journal(s).iloc[-1],scores.set_index(['model','hash']).score
        assert (row.sha256,row.model)==(last,better) and row.score==pytest.approx(kept[new,last])
        assert kept[before,last]!=kept[new,last], 'the old score is kept beside'
        s.quiet()
    noted = (place/'loop/station.log').read_text()
    assert noted.count('put on')==1 and f'eve put on {better} in place of {old}' in noted

def test_an_open_second_look_outlives_another_model(place, chrome, tmp_path, runs):
    "Asked for under the old model, given under the new one, by somebody else"
    shutil.copytree(runs/'b', place/'runs/other')
    people = '--user', 'ann:secret-words', '--user', 'bob:secret-words', '--user', 'eve:secret-words:engineer'
    with Server(place, '--verdicts', 'outlives', *people, run='a') as s:
        ann,bob,eve = (sign_in(chrome, s, n) for n in ('ann','bob','eve'))
        bring(ann, place, 3)
        fill(ann, why_look='edge unclear')
        look = press(ann, 'l')
        answered(ann)
        to_models(eve)
        eve.click('#models [data-put=other]')
        other = model_name(open_run(place/'runs/other'))
        eve.wait_for_function('m => document.querySelector("#put-on")?.innerText.includes(m)', arg=other)
        loaded_again(bob, other)
        bob.get_by_label('Second looks').click()
        on_desk(bob, look)
        stands(bob, 'asks: edge unclear')
        loaded_again(ann, other)
        waits(ann, 2)
        ann.get_by_label('Second looks').click()
        ann.wait_for_function('document.querySelector("#queue").innerText.includes("Nothing waits")')
        bob.keyboard.press('r')
        answered(bob)
        bob.wait_for_function('document.querySelector("#queue").innerText.includes("Nothing waits")')
        said = journal(s)
        assert said.verdict.tolist()==['look','reject'] and said.sha256.tolist()==[look]*2
        assert said.model.nunique()==2 and said.model.iloc[1]==other
        s.quiet()
