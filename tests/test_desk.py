"One part on the desk, in a real browser: what is taken back, and two people or two tabs at the same part"
import base64, io, json, re, shutil
from contextlib import contextmanager
from pathlib import Path
import pandas as pd, pytest
pytest.importorskip('gradio')
pytest.importorskip('pytorch_grad_cam')
from browser import *
from conftest import Server, get, journal_of, wait_for
from hostile import chip, saved
from semiconductor_cls.station.desk import read_static
from semiconductor_cls.station.passwords import hash_password
from semiconductor_cls.station.station import Station
from semiconductor_cls.station.tray import take_in
from semiconductor_cls.station.verdicts import add_verdict, waiting

def test_u_takes_back_one_verdict_after_the_other(place, chrome):
    with Server(place, '--verdicts', 'back', run='a') as s:
        page = with_parts(chrome, s, 'Ann', 4)
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
        s.quiet()

def test_a_click_that_is_lost_is_given_again_though_another_request_goes_out(place, chrome):
    with Server(place, '--verdicts', 'lost', run='a') as s:
        page = with_parts(chrome, s, 'Ann', 2)
        drop_next_click(page)
        first = shown(page)
        page.keyboard.press('r')
        page.wait_for_function('h => stationShown()!=h', arg=first)
        answered(page)
        assert journal_of(s).verdict.tolist()==['reject'], 'once, and not lost'

def second_tab(page, s, n):
    "Another tab of the same browser, with the same `n` parts"
    tab = page.context.new_page()
    tab.goto(s.url)
    waits(tab, n)
    return tab

def test_two_tabs_and_two_people_do_not_overrule_each_other_in_silence(place, chrome):
    with Server(place, '--verdicts', 'two', run='a') as s:
        ann = with_parts(chrome, s, 'Ann', 3)
        tab = second_tab(ann, s, 3)
        part = shown(ann)
        on_desk(tab, part)
        press(ann, 'p')
        answered(ann) # or the tab's key may reach the station first
        tab.keyboard.press('r')
        oops(tab, 'not counted: Ann has said pass by now')
        stands(tab, 'pass, Ann')
        assert shown(tab)==part and journal_of(s).verdict.tolist()==['pass']
        press(tab, 'r') # now that it is known
        answered(tab)
        assert journal_of(s).verdict.tolist()==['pass','reject']

        ben = Inspector(chrome, s.url, 'Ben').page
        look = press(ann, 'l')
        ben.get_by_label('Second looks').click()
        on_desk(ben, look)
        stands(ben, 'look, Ann')
        ann.get_by_label('Second looks').click()
        ann.wait_for_function('document.querySelector("#queue").innerText.includes("Nothing waits")')
        tab.keyboard.press('ArrowLeft')
        answered(tab) # or it would come after the choice
        tab.evaluate('h => {window.stationPick = h; document.querySelector("#pick").click()}', look)
        on_desk(tab, look)
        tab.keyboard.press('p')
        oops(tab, 'which somebody else gives')
        ben.keyboard.press('r')
        ben.wait_for_function('document.querySelector("#queue").innerText.includes("Nothing waits")')
        assert journal_of(s).who.tolist()==['Ann']*3+['Ben']
        s.quiet()

def test_no_verdict_key_gets_into_the_name(place, chrome):
    with Server(place, '--verdicts', 'name', run='a') as s:
        page = with_parts(chrome, s, 'Ann', 3)
        page.click(NAME) # by chance
        press(page, 'p')
        answered(page)
        assert page.input_value(NAME)=='Ann' and journal_of(s).verdict.tolist()==['pass']
        page.dblclick(NAME) # on purpose
        page.keyboard.press('End')
        page.keyboard.type('lpru')
        assert page.input_value(NAME)=='Annlpru' and len(journal_of(s))==1, 'a name is typed, and nothing judged'
        page.keyboard.press('Enter')
        press(page, 'r')
        answered(page)
        assert journal_of(s).who.tolist()==['Ann','Annlpru']

COMPOSED = """key => document.activeElement.dispatchEvent(
    new KeyboardEvent('keydown', {key, isComposing: true, bubbles: true, cancelable: true}))"""
LAYOUT = "([key, code]) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, code, bubbles: true}))"

def test_keys_of_an_input_method_and_of_other_layouts(place, chrome):
    with Server(place, '--verdicts', 'keys', run='a') as s:
        page = with_parts(chrome, s, 'Ann', 4)
        for name in ('remark','serial'):
            page.click(f'[data-about={name}]')
            page.evaluate(COMPOSED, 'Enter') # it takes the word that is proposed
            page.keyboard.type('ri')
            assert field(page, name)=='ri', 'the field keeps the keys'
            page.fill(f'[data-about={name}]', '')
        page.dblclick(NAME)
        page.keyboard.press('End')
        page.evaluate(COMPOSED, 'Enter')
        page.keyboard.type('p')
        assert page.input_value(NAME)=='Annp' and len(journal_of(s))==0
        page.keyboard.press('Enter')
        for key,code,n in ('з','KeyP',1), ('ρ','KeyR',2), ('ı','KeyR',2), ('ö','KeyP',2):
            page.evaluate(LAYOUT, [key,code])
            answered(page)
            assert len(journal_of(s))==n, 'a letter of another script is the key that it lies on, an own one is not'
        assert journal_of(s).verdict.tolist()==['pass','reject']

# ---- what a verdict can carry

def field(page, name): return page.input_value(f'[data-about={name}]')

def test_a_verdict_says_lot_serial_type_and_why(place, chrome):
    v = place/'said'
    v.mkdir()
    evil = '<img src=x onerror=alert(1)>'
    (v/'defects.csv').write_text(f'type,about\nscratch,a bright line\n"{evil}",\n')
    with Server(place, '--verdicts', 'said', run='a') as s:
        inspectors = [Inspector(chrome, s.url, n) for n in ('Ann','Ben')]
        ann,ben = (o.page for o in inspectors)
        bring(ann, place, 4)
        fill(ann, lot='=L7', serial='0012', remark=evil)
        ann.keyboard.press('2')
        ann.keyboard.press('1')
        one = press(ann, 'r')
        assert [field(ann, o) for o in ('lot','serial','remark')]==['=L7','',''], 'the lot stays'
        answered(ann)
        fill(ann, why_look='too dark')
        two = press(ann, 'l')
        answered(ann)
        three = shown(ann)
        for key,word in ('p','pass'), ('r','reject'):
            fill(ann, why_look='dust?')
            ann.keyboard.press(key)
            oops(ann, f'{word} needs no second look')
            answered(ann)
            on_desk(ann, three)
            assert field(ann, 'why_look')=='dust?', 'a question is not thrown away'
        fill(ann, why_look='')
        ann.keyboard.press('1')
        ann.keyboard.press('p')
        oops(ann, 'a part that passes has no defect (scratch)')
        answered(ann)
        on_desk(ann, three)
        assert ann.get_attribute('[data-type=scratch]', 'aria-pressed')=='true', 'what was refused is not lost'
        ben.get_by_label('Second looks').click()
        on_desk(ben, two)
        stands(ben, 'asks: too dark')
        ann.get_by_role('tab', name='Defects').click()
        ann.wait_for_selector('#book h2')
        assert ann.locator('#book h2').all_inner_texts()==['scratch',evil]
        ann.get_by_role('tab', name='Verdicts').click()
        ann.wait_for_selector('#log table')
        assert evil in ann.inner_text('#log')
        for o in inspectors: assert o.problems==[], 'nothing that was typed became a script'
        said,table = journal_of(s),get(s.url+'verdicts.csv')[1]
        s.quiet()
    assert said.verdict.tolist()==['reject','look'] and said.sha256.tolist()==[one,two]
    assert said.defect_type.tolist()==['scratch',''] and said.why_look.tolist()==['','too dark']
    assert said.columns.tolist()[-5:]==['lot','serial','remark','defect_type','why_look']
    assert "'=L7,0012," in table, 'no formula, and the zeros stay'

REFUSED = '#refused p'

@contextmanager
def slow_to_answer(page):
    "What is pressed meanwhile reaches the station at the end"
    held,let_go = [],[]
    page.route('**/queue/join*', lambda o: o.continue_() if let_go else held.append(o))
    yield
    let_go.append(True)
    for o in held: o.continue_()
    page.unroute('**/queue/join*')
    answered(page)

def refused_meanwhile(page, other):
    "A colleague was faster at the part; the key about the next one goes before the refusal comes; both parts"
    part = shown(page)
    press(other, 'p')
    answered(other)
    with slow_to_answer(page):
        fill(page, lot='L7', serial='SN-OF-A', remark='crack in A')
        second = [press(page, 'r'), shown(page)][1]
        page.keyboard.press('p')
    return part, second

def test_what_was_typed_about_a_refused_part_goes_to_no_other(place, chrome):
    "A serial number was kept with the next part but one, and the refusal was wiped away by the next answer"
    with Server(place, '--verdicts', 'refused', run='a') as s:
        ann = with_parts(chrome, s, 'Ann', 4)
        tab = second_tab(ann, s, 4)
        on_desk(tab, shown(ann))
        one,two = refused_meanwhile(ann, tab)
        assert ann.inner_text('#oops')=='', 'the answer about the second part'
        assert all(o in ann.inner_text(REFUSED) for o in ('Ann has said pass by now','SN-OF-A','crack in A'))
        assert [field(ann, o) for o in ('lot','serial','remark')]==['L7','','']
        fits_everywhere(ann)
        three = press(ann, 'r')
        answered(ann)
        ann.click(f'{REFUSED} >> text=Back to it')
        on_desk(ann, one)
        stands(ann, 'pass, Ann')
        answered(ann)
        assert 'SN-OF-A' in ann.inner_text(REFUSED), 'it stays until somebody has read it'
        ann.click(f'{REFUSED} >> text=Done')
        ann.wait_for_function(f'!document.querySelector("{REFUSED}")')
        said = journal_of(s)
        s.quiet()
    assert said.sha256.tolist()==[one,two,three] and said.verdict.tolist()==['pass','pass','reject']
    assert said.serial.tolist()==['']*3 and said.remark.tolist()==['']*3

def test_more_than_a_verdict_can_carry_is_refused_by_name(place, chrome):
    with Server(place, '--verdicts', 'long', run='a') as s:
        page = with_parts(chrome, s, 'Ann', 2)
        for name in ('serial','remark'):
            page.evaluate('n => document.querySelector(`[data-about=${n}]`).value = "9".repeat(300)', name)
            page.keyboard.press('p')
            oops(page, f'{name} has more than')
            answered(page)
            page.evaluate('n => document.querySelector(`[data-about=${n}]`).value = ""', name)
        page.evaluate("""document.querySelector('#about').insertAdjacentHTML('beforeend',
            '<button data-type="forged" aria-pressed="true">')""")
        page.keyboard.press('r')
        oops(page, "'forged' is not in the defect book (empty)")
        assert len(journal_of(s))==0

# ---- roles, and what is found again

def set_threshold(page, t):
    page.fill('#slider input[type=number]', t)
    page.press('#slider input[type=number]', 'Enter')
    page.click('#set')

def test_an_engineer_sets_the_threshold_and_an_operator_cannot(place, chrome):
    people,hashed = place/'people',hash_password('secret-words', (2**14,8,1))
    people.write_text(f'eve:{hashed}:engineer\nann:{hashed}\n')
    people.chmod(0o600)
    with Server(place, '--verdicts', 'roles', '--passwords', 'people', run='a') as s:
        ann,eve = (sign_in(chrome, s, n) for n in ('ann','eve'))
        assert ann.is_disabled('#slider input[type=number]') and not ann.is_visible('#set')
        # a browser can send any event of the page, so the station asks the gate
        ann.evaluate('document.querySelectorAll("#slider input").forEach(o => { o.disabled = false; })')
        config = ann.evaluate('fetch("config").then(o => o.json())')
        button = next(o['id'] for o in config['components'] if o['props'].get('elem_id')=='set')
        event = next(o for o in config['dependencies'] if [button,'click'] in o['targets'])
        body = dict(fn_index=event['id'], session_hash='forged', data=[None,.01,'eve'], trigger_id=None)
        ann.evaluate("""b => fetch("gradio_api/queue/join", {method: "POST", body: JSON.stringify(b),
            headers: {"content-type": "application/json"}}).then(o => o.text())""", body)
        drop(eve, files_of(place, 'good', 0, 2), '2 pictures scored')
        set_threshold(eve, '0.99')
        oops(eve, 'eve moved the threshold from')
        drop(ann, files_of(place, 'good', 2, 4), '2 pictures scored')
        ann.wait_for_function('document.querySelector("#decision").innerText.includes("from 0.990 on: reject")')
        press(ann, 'p')
        answered(ann)
        ann.get_by_role('tab', name='Verdicts').click()
        ann.wait_for_selector('#moves')
        assert ann.locator('#moves tr').count()==2, 'what was forged is no row'
        s.stop()
    noted = (place/'roles/station.log').read_text()
    assert noted.count('moved the threshold')==1 and 'to 0.990' in noted

def moved_to(page, t):
    set_threshold(page, t)
    oops(page, f'to {t}')

def test_a_verdict_is_given_under_the_threshold_that_was_on_the_screen(place, chrome):
    "It was kept with the threshold that an engineer had set a moment before, and with the machine's word by that"
    people = '--user', 'ann:secret-words', '--user', 'eve:secret-words:engineer'
    with Server(place, '--verdicts', 'moved', *people, run='a') as s:
        ann,eve = (sign_in(chrome, s, n) for n in ('ann','eve'))
        bring(ann, place, 4)
        part,login = shown(ann),'Basic '+base64.b64encode(b'ann:secret-words').decode()
        def n_moves(): return get(s.url+'moves.csv', authorization=login)[1].count('\n')
        moved_to(eve, '0.990')
        ann.keyboard.press('r')
        oops(ann, 'the threshold was moved to 0.990. Look again')
        answered(ann)
        assert shown(ann)==part and 'from 0.990 on: reject' in ann.inner_text('#decision'), 'shown anew'
        n = n_moves()
        set_threshold(eve, '0.990') # to the same place: the machine's word is the same, and so is the page's sentence
        wait_for(lambda: n_moves()>n, s.p)
        press(ann, 'r')
        answered(ann)
        with slow_to_answer(ann):
            press(ann, 'p')
            ann.keyboard.press('p') # about the part that the page showed by itself
            moved_to(eve, '0.010')
        assert ann.locator(REFUSED).count()==2, 'both were shown with the word of before'
        press(ann, 'p')
        answered(ann)
        tables = [get(s.url+o, authorization=login)[1] for o in ('journal.csv','moves.csv')]
        said,moves = (pd.read_csv(io.StringIO(o)) for o in tables)
        s.quiet()
    assert said.verdict.tolist()==['reject','pass'] and said.threshold.tolist()==[.99,.01]
    assert said.decision_id.tolist()==moves.decision_id.tolist()[1:]

def test_a_threshold_as_small_as_its_scores_is_shown_and_kept(place, chrome):
    "It read 0.000, and touching its slider made it 0"
    with Server(place, '--verdicts', 'small', '--role', 'engineer', run='a') as s:
        page = with_parts(chrome, s, 'Eve', 2)
        set_threshold(page, '1.5e-8')
        oops(page, 'to 1.5e-08')
        page.wait_for_function('document.querySelector("#decision").innerText.includes("from 1.5e-08 on: reject")')
        page.reload()
        page.wait_for_selector('#decision .score')
        field = '#slider input[type=number]'
        assert float(page.input_value(field))==1.5e-8
        page.click(field) # to touch it changes nothing
        page.keyboard.press('Tab')
        page.click('#set')
        oops(page, 'from 1.5e-08 to 1.5e-08')
        page.fill(field, '')
        page.click('#set')
        oops(page, 'a threshold is a number from 0 to 1')
        fits_everywhere(page)
        page.get_by_role('tab', name='Verdicts').click()
        page.wait_for_selector('#moves')
        assert '1.5e-08' in page.inner_text('#moves')
        assert page.get_by_text('every move, as a table').get_attribute('href')=='moves.csv'
        assert '1.5e-08' in get(s.url+'moves.csv')[1]
        s.quiet()

TOKEN = 'a-token-of-this-station'

def with_token(chrome, s):
    "The station's page, opened with its token"
    page = new_page(chrome)
    page.goto(s.url)
    page.fill('[name=secret]', TOKEN)
    page.press('[name=secret]', 'Enter')
    page.wait_for_selector('#queue .note')
    return page

def may_set(page): return page.is_enabled('#slider input[type=number]') and page.is_visible('#set')

def test_nobody_is_an_engineer_unless_somebody_said_so(place, chrome):
    people = '--user', 'eve:secret-words:engineer', '--user', 'ann:secret-words'
    with Server(place, '--verdicts', 'who', *people, run='a') as s:
        assert [may_set(sign_in(chrome, s, n)) for n in ('eve','ann')]==[True,False]
        assert 'eve may set the threshold' in s.stop()
    for role,may,said in ((),False,'nobody may'), (('--role','engineer'),True,'everybody may'):
        with Server(place, '--verdicts', 'who', '--token', TOKEN, *role, run='a') as s:
            page = with_token(chrome, s)
            assert may_set(page)==may
            assert f'{said} set the threshold' in s.stop()

def test_parts_are_found_again_and_the_squares_can_be_clicked(place, chrome):
    with Server(place, '--verdicts', 'found', '--no-heat', run='a') as s:
        page = Inspector(chrome, s.url, 'Ann').page
        assert not may_set(page), 'an open station has no engineer either'
        bring(page, place, 4)
        page.wait_for_selector('#picture img.heat', state='attached')
        page.wait_for_function('document.body.classList.contains("noheat")')
        fill(page, lot='L7')
        one,_ = press(page, 'r'),press(page, 'p')
        answered(page)
        page.get_by_role('tab', name='Search').click()
        page.wait_for_selector('.squares')
        n = sum(map(int, page.locator('.squares [data-verdict=reject]').all_inner_texts()))
        assert n==1 and page.locator('.squares [data-verdict=none]').count()==3
        square = next(o for o in page.locator('.squares [data-verdict=reject]').all() if o.inner_text()=='1')
        square.click()
        page.wait_for_selector('#found tr[data-pick]')
        assert page.locator('#found tr[data-pick]').count()==1
        page.select_option('[data-find=verdict]', '')
        page.select_option('[data-find=machine]', '')
        page.fill('[data-find=lo]', '7')
        page.evaluate('document.querySelector("form.find").noValidate = true')
        page.click('form.find button')
        page.wait_for_function('document.querySelector("#found").innerText.includes("a number from 0 to 1")')
        page.fill('[data-find=lo]', '')
        page.fill('[data-find=lot]', 'L7')
        page.click('form.find button')
        page.wait_for_function('document.querySelectorAll("#found tr[data-pick]").length==2')
        page.click(f'#found tr[data-pick="{one}"]')
        on_desk(page, one)
        assert page.is_visible('#picture'), 'and the desk is in front'
        stands(page, 'reject, Ann')

GONE = 'document.querySelector("%s .gone")?.innerText.includes("No picture: ")'

def second_looks(place, name, n):
    "A folder of verdicts with open second looks, as they are listed"
    st = Station(place/'runs/a', place/name)
    hashes,_ = take_in(st, 'desk', [(o, Path(o).name) for o in files_of(place, 'good', 0, n)])
    for h in hashes: add_verdict(st.v, h, 'look', 'Ben', st.model, .5, st.t)
    return waiting(st.v, st.model, None, st.t).hash.tolist()

def test_a_picture_that_is_gone_is_said_and_not_a_broken_image(place, chrome, tmp_path, one_thread):
    "The search and the part that the page shows by itself had the browser's sign of a broken image"
    one,*gone,_ = second_looks(place, 'gone', 4)
    for h in gone: next((place/'gone/store').rglob(f'{h}.*')).rename(tmp_path/h)
    with Server(place, '--verdicts', 'gone', run='a') as s:
        page = Inspector(chrome, s.url, 'Ann').page
        page.get_by_label('Second looks').click()
        on_desk(page, one)
        answered(page)
        with slow_to_answer(page):
            page.keyboard.press('p')
            page.wait_for_function(GONE%'.part.ahead')
        page.wait_for_function('document.querySelector("#picture").innerText.includes("cannot be read any more")')
        page.get_by_role('tab', name='Search').click()
        page.wait_for_selector('form.find')
        page.click('form.find button')
        page.wait_for_function('document.querySelectorAll("#found .gone").length==2')
        assert 'No picture: no such file' in page.locator('#found .gone').first.inner_text()
        assert page.locator('#found img').count()==2
        fits_everywhere(page)
        page.screenshot(path=tmp_path/'gone.png')
        s.quiet()

# ---- a second look by somebody else

FOUND = """([n, words]) => {
    const rows = [...document.querySelectorAll('#found tr[data-pick]')];
    return document.querySelector('#found .note') && rows.length == n
        && rows.every(row => words.every(word => row.innerText.includes(word)));
}"""

def search(page, n, **asked):
    "Search; `n` rows are found, with what was asked in each"
    page.get_by_role('tab', name='Search').click()
    page.wait_for_selector('form.find')
    for name in ('text','verdict'):
        field,value = page.locator(f'[data-find={name}]'),asked.get(name, '')
        if name=='verdict': field.select_option(value)
        else: field.fill(value)
    page.click('form.find button')
    page.wait_for_function(FOUND, arg=[n, list(asked.values())])

def back_to(page, h):
    "The desk, with a part that was found"
    page.click(f'#found tr[data-pick="{h}"]')
    on_desk(page, h)
    answered(page)

def ask_for_looks(page, files, width):
    "Ann passes one part, asks for a second look at two, and cannot give it herself"
    drop(page, files, '3 pictures scored')
    waits(page, 3)
    passed = press(page, 'p')
    looks = []
    for why in ('edge unclear','too dark'):
        fill(page, why_look=why)
        looks.append(shown(page))
        page.keyboard.press('l')
        answered(page)
    fits(page, width)
    page.get_by_label('Second looks').click()
    page.wait_for_function('document.querySelector("#queue").innerText.includes("Nothing waits")')
    search(page, 1, text='too dark')
    search(page, 2, verdict='look', text='Ann')
    back_to(page, looks[0])
    page.keyboard.press('r')
    oops(page, 'which somebody else gives')
    answered(page)
    said = page.locator('#oops').bounding_box()
    assert said['y']+said['height']<page.viewport_size['height']-80*(width<700), 'not under the buttons of a phone'
    return passed, looks

def give_looks(page, passed, looks, width):
    "Bob finds them with Ann's reasons, decides both, and judges the part that Ann has passed otherwise"
    page.get_by_label('Second looks').click()
    waits(page, 2)
    assert {o.get_attribute('data-pick') for o in page.locator('#queue li').all()}==set(looks)
    for word in 'pr':
        stands(page, 'look, Ann')
        stands(page, 'asks: '+('edge unclear' if shown(page)==looks[0] else 'too dark'))
        fits(page, width)
        page.keyboard.press(word)
        answered(page)
    page.wait_for_function('document.querySelector("#queue").innerText.includes("Nothing waits")')
    search(page, 1, verdict='pass', text='Ann')
    back_to(page, passed)
    stands(page, 'pass, Ann')
    page.keyboard.press('r')
    answered(page)

def test_a_second_look_is_given_by_somebody_else(place, chrome, tmp_path):
    with Server(place, '--verdicts', 'second', run='a') as s:
        inspectors = [Inspector(chrome, s.url, o) for o in ('Ann','Bob')]
        ann,bob = (o.page for o in inspectors)
        for k,(width,height) in enumerate(SIZES):
            for page in (ann, bob):
                page.set_viewport_size(dict(width=width, height=height))
                page.get_by_role('tab', name='Inspect').click()
                page.get_by_label('My pictures').click()
            passed,looks = ask_for_looks(ann, files_of(place, 'good', 3*k, 3*k+3), width)
            give_looks(bob, passed, looks, width)
            rows = journal_of(s)[6*k:]
            assert rows.who.tolist()==['Ann']*3+['Bob']*3
            assert rows.verdict.tolist()==['pass','look','look','pass','reject','reject']
            assert rows.sha256.tolist()[:3]==[passed,*looks] and set(rows.sha256[3:5])==set(looks)
            assert rows.why_look.tolist()==['','edge unclear','too dark','','','']

            search(ann, k+1, text='Bob', verdict='pass')
            back_to(ann, rows.sha256.iloc[3])
            for words in ('look, Ann','pass, Bob'): stands(ann, words)
            assert ann.inner_text('#oops')=='', 'the refusal was about another part'
            search(ann, 0, verdict='look') # none is left
            search(ann, 3*(k+1), text='Bob')
            fits(ann, width)
            back_to(ann, passed)
            for words in ('pass, Ann','reject, Bob'): stands(ann, words)
            ann.screenshot(path=tmp_path/f'second_{width}.png')
        for o in inspectors: assert o.problems==[]
        notes = pd.read_csv(io.StringIO(get(s.url+'verdicts.csv')[1])).note.dropna().tolist()
        assert notes==['people disagree: Ann pass, Bob reject']*3
        s.quiet()

# ---- eight hours a day

TYPE = '''keys => new Promise(done => {
    const said = [];
    const one = setInterval(() => {
        const key = keys[said.length];
        said.push([stationShown(), key]);
        document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
        if (said.length === keys.length) { clearInterval(one); done(said); }
    }, 100);
})'''
VERDICT = dict(p='pass', r='reject', l='look')

def view(page): return page.evaluate('stationPicture.view()')

def look_closely(page):
    "Zoom and pan by key, wheel and drag; the light by key; the part stays, and `0` undoes all"
    part,box = shown(page),page.locator('#picture .stack').bounding_box()
    middle = box['x']+box['width']/2, box['y']+box['height']/2
    for key in ('+','+','ArrowRight','b'): page.keyboard.press(key)
    assert view(page)['zoom']>1.5 and view(page)['x']==-60 and view(page)['bright']>1
    page.mouse.move(*middle)
    page.mouse.wheel(0, -400)
    page.mouse.down()
    page.mouse.move(middle[0]+30, middle[1]+20)
    page.mouse.up()
    page.wait_for_function('stationPicture.view().zoom>4')
    assert view(page)['y']!=0 and shown(page)==part
    page.keyboard.press('0')
    assert view(page)==dict(zoom=1, x=0, y=0, bright=1, contrast=1)
    assert page.evaluate('document.querySelector("#picture img.plain").naturalWidth')==275, 'at full resolution'

def light(colour):
    "How light a colour is, by WCAG"
    c = [int(colour[i:i+2], 16)/255 for i in (1,3,5)]
    r,g,b = (o/12.92 if o<=.04045 else ((o+.055)/1.055)**2.4 for o in c)
    return .2126*r+.7152*g+.0722*b

def test_white_words_can_be_read():
    "On each colour of a verdict, and on the gray of a lamp that is off: a contrast of 4.5, as for small letters"
    css = read_static('station.css')
    under = re.findall(r'--(good|defect|look): (#\w{6});|\.lamp\.(off) {\s*background: (#\w{6});', css)
    colours = {a or c:b or d for a,b,c,d in under}
    assert set(colours)=={'good','defect','look','off'}
    assert {o:c for o,c in colours.items() if 1.05/(light(c)+.05)<4.5}=={}

PAGES = {'Inspect':'#picture', 'Search':'.squares', 'Defects':'#book h2', 'Drift':'#drift .lamp',
         'Models':'#models .note', 'Verdicts':'#log td'}

def test_every_page_fits_a_desk_a_tablet_and_a_phone(place, chrome):
    v = place/'fits'
    v.mkdir()
    (v/'defects.csv').write_text('type,about\nscratch,a bright line\nforeign material,lies on the part\n')
    with Server(place, '--verdicts', 'fits', '--folders', 'parts', '--role', 'engineer', run='a') as s:
        for width,height in SIZES:
            page = Inspector(chrome, s.url, 'Ann').page
            page.set_viewport_size(dict(width=width, height=height))
            fits(page, width)
            tabs = page.locator('.tab-container:not(.visually-hidden) [role=tab]')
            assert tabs.count()==len(PAGES), 'none hides in a menu'
            bring(page, place, 3)
            fill(page, lot='L7', serial='0012', remark='at the left edge, near the second lead')
            press(page, 'r')
            answered(page)
            for name,there in PAGES.items():
                page.get_by_role('tab', name=name).click()
                page.wait_for_selector(there)
                if name=='Search':
                    page.click('form.find button')
                    page.wait_for_selector('#found tr[data-pick]')
                fits(page, width)
            page.close()
        s.quiet()

@pytest.mark.parametrize('n', [12, pytest.param(50, marks=pytest.mark.slow)])
def test_parts_by_keyboard_at_ten_keys_a_second(place, chrome, tmp_path, n):
    files = files_of(place, 'good', 0, n-n//3)+files_of(place, 'defect', 0, n//3)
    with Server(place, '--verdicts', f'by-key-{n}', run='a') as s:
        for width,height in SIZES:
            page = Inspector(chrome, s.url, f'Ann {width}').page
            page.set_viewport_size(dict(width=width, height=height))
            for i in range(0, n, 20):
                drop(page, files[i:i+20], f'{len(files[i:i+20])} pictures scored')
                waits(page, min(i+20, n))
            fits(page, width)
            look_closely(page)
            page.screenshot(path=tmp_path/f'{width}.png')
            before = len(journal_of(s))
            typed = [tuple(o) for o in page.evaluate(TYPE, list('pprpr'*10)[:n])]
            answered(page)
            counted = journal_of(s)[before:]
            first = dict(reversed(typed)) # of each part, the key that came first
            want = [(h, VERDICT[first[h]]) for h in dict.fromkeys(h for h,_ in typed)]
            got = list(zip(counted.sha256, counted.verdict))
            assert got==want, 'each key in its turn, about what was on the screen'
            missed = n-len(want)
            told = page.inner_text('#missed')
            assert told.startswith(f'{missed} key') if missed else told=='', 'and what came too early is said'
            print(f'{width}: {len(want)} of {n} keys counted, {missed} came before the next picture was there')
            while page.locator('#queue li').count():
                page.keyboard.press('p')
                answered(page)
            page.keyboard.press('u')
            waits(page, 1)
            assert (journal_of(s).taken_back!='').sum()==1+SIZES.index((width,height))
            page.close()
        s.quiet()

def test_the_machine_speaks_after_the_person(place, chrome):
    with Server(place, '--verdicts', 'blind', '--judge-first', run='a') as s:
        page = with_parts(chrome, s, 'Ann', 3)
        text = page.inner_text('.gradio-container')
        assert 'Your word first' in text and page.locator('#picture img.heat').count()==0
        assert page.locator('#near figure').count()==0
        assert page.locator('#queue .chip, #queue .s:not(:empty)').count()==0, 'the list keeps it back as well'
        part = press(page, 'p')
        oops(page, 'you pass, the machine')
        assert page.inner_text('#oops').endswith('of 1.')
        page.click('#oops [data-pick]')
        on_desk(page, part)
        page.wait_for_selector('#decision .score')
        page.wait_for_function(f'getComputedStyle({HEAT}).opacity=="0"') # until H
        page.keyboard.press('h')
        page.wait_for_function(f'getComputedStyle({HEAT}).opacity=="1"')
        s.quiet()

# ---- a bundle in the place of a run

def test_a_bundle_is_served_like_its_run(bundles, place, chrome):
    shutil.copytree(bundles/'both', place/'runs/line', dirs_exist_ok=True)
    said,api = {},{}
    for run in ('both','line'):
        with Server(place, '--verdicts', f'as-{run}', '--token', TOKEN, run=run) as s:
            content = saved(chip(5))
            status,body = get(s.url+'api/score', content, authorization=f'Bearer {TOKEN}')
            assert status==200, body
            api[run] = json.loads(body)
            page = with_token(chrome, s)
            page.fill(NAME, 'Ann')
            page.press(NAME, 'Enter')
            drop(page, files_of(place, 'good', 0, 3), '3 pictures scored')
            page.wait_for_function('document.querySelectorAll("#queue li").length==3')
            there = [page.locator(o).count()>0 for o in ('#heat','#picture img.heat','#near figure','#rates svg')]
            there.append(page.get_by_role('tab', name='Drift').count()>0)
            assert there==[run=='both']*5, 'what a bundle cannot do has no control'
            if run=='line': assert 'no heat map' in page.inner_text('#near')
            for key in ('p','r'):
                press(page, key)
                page.wait_for_function('stationAnswered()')
            said[run] = journal_of(s, authorization=f'Bearer {TOKEN}').set_index('sha256')
            assert ('a bundle has no heat maps' in s.stop())==(run=='line')
    assert said['both'].index.tolist()==said['line'].index.tolist(), 'the same queue'
    same = ['who','verdict','model','threshold','decision_id']
    assert said['both'][same].equals(said['line'][same])
    assert (said['both'].score-said['line'].score).abs().max()<1e-4
    assert said['line'].engine.eq('onnxruntime').all()
    same = ['sha256','decision','model','threshold','decision_id']
    assert [api['both'][o] for o in same]==[api['line'][o] for o in same]
    assert abs(api['both']['p_defect']-api['line']['p_defect'])<1e-4
