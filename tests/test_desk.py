"One part on the desk, in a real browser: what is taken back, and two people or two tabs at the same part"
import io
import pandas as pd, pytest
pytest.importorskip('gradio')
pytest.importorskip('pytorch_grad_cam')
from browser import *
from conftest import Server, get

def journal_of(s): return pd.read_csv(io.StringIO(get(s.url+'journal.csv')[1]), keep_default_na=False)
def oops(page, words): page.wait_for_function('w => document.querySelector("#oops").innerText.includes(w)', arg=words)
def waits(page, n): page.wait_for_function('n => document.querySelectorAll("#queue li").length==n', arg=n)
def stands(page, words):
    page.wait_for_function('w => (document.querySelector(".stands")?.innerText||"").includes(w)', arg=words)

def test_u_takes_back_one_verdict_after_the_other(place, chrome):
    with Server(place, '--verdicts', 'back', run='a') as s:
        page = Inspector(chrome, s.url, 'Ann').page
        drop(page, files_of(place, 'good', 0, 4), '4 pictures scored')
        waits(page, 4)
        page.keyboard.press('u')
        oops(page, 'nothing to take back')
        one,two = press(page, 'p'),press(page, 'r')
        waits(page, 2)
        page.keyboard.press('u')
        on_desk(page, two)
        oops(page, 'Taken back: reject')
        waits(page, 3)
        assert page.locator('#queue li').first.get_attribute('data-pick')==two, 'in front of the others'
        page.click('#undo')
        on_desk(page, one)
        oops(page, 'Taken back: pass')
        waits(page, 4)
        press(page, 'r')
        pick(page, page.locator('#queue li').last)
        said = journal_of(s)
        assert said.verdict.tolist()==['pass','reject','reject'], 'nothing is deleted'
        assert (said.taken_back!='').tolist()==[True,True,False]
        out = s.stop()
    assert 'Traceback' not in out, out

def test_two_tabs_and_two_people_do_not_overrule_each_other_in_silence(place, chrome):
    with Server(place, '--verdicts', 'two', run='a') as s:
        ann = Inspector(chrome, s.url, 'Ann').page
        drop(ann, files_of(place, 'good', 0, 3), '3 pictures scored')
        waits(ann, 3)
        tab = ann.context.new_page()
        tab.goto(s.url)
        waits(tab, 3)
        part = shown(ann)
        on_desk(tab, part)
        press(ann, 'p')
        tab.keyboard.press('r')
        oops(tab, 'not counted: Ann has said pass by now')
        stands(tab, 'pass, Ann')
        assert shown(tab)==part and journal_of(s).verdict.tolist()==['pass']
        press(tab, 'r') # now that it is known
        assert journal_of(s).verdict.tolist()==['pass','reject']

        ben = Inspector(chrome, s.url, 'Ben').page
        look = press(ann, 'l')
        ben.get_by_label('Second looks').click()
        on_desk(ben, look)
        stands(ben, 'look, Ann')
        ann.get_by_label('Second looks').click()
        ann.wait_for_function('document.querySelector("#queue").innerText.includes("Nothing waits")')
        tab.keyboard.press('ArrowLeft')
        tab.evaluate('h => {window.stationPick = h; document.querySelector("#pick").click()}', look)
        on_desk(tab, look)
        tab.keyboard.press('p')
        oops(tab, 'which somebody else gives')
        ben.keyboard.press('r')
        ben.wait_for_function('document.querySelector("#queue").innerText.includes("Nothing waits")')
        assert journal_of(s).who.tolist()==['Ann']*3+['Ben']
        out = s.stop()
    assert 'Traceback' not in out, out

def test_no_verdict_key_gets_into_the_name(place, chrome):
    with Server(place, '--verdicts', 'name', run='a') as s:
        page = Inspector(chrome, s.url, 'Ann').page
        drop(page, files_of(place, 'good', 0, 3), '3 pictures scored')
        waits(page, 3)
        page.click(NAME) # by chance
        press(page, 'p')
        assert page.input_value(NAME)=='Ann' and journal_of(s).verdict.tolist()==['pass']
        page.dblclick(NAME) # on purpose
        page.keyboard.press('End')
        page.keyboard.type('lpru')
        assert page.input_value(NAME)=='Annlpru' and len(journal_of(s))==1, 'a name is typed, and nothing judged'
        page.keyboard.press('Enter')
        press(page, 'r')
        assert journal_of(s).who.tolist()==['Ann','Annlpru']
