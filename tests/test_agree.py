"A blind round at the page: two people, two rounds, and the kappas that scikit-learn finds in the journal"
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
import pandas as pd, pytest
pytest.importorskip('gradio')
pytest.importorskip('pytorch_grad_cam')
from sklearn.metrics import cohen_kappa_score
from browser import *
from conftest import Server, get
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.run import open_run
from semiconductor_cls.base.table import read_csv, write_csv
from semiconductor_cls.station.agree import agreement, check_answers, kappas, read_answers
from semiconductor_cls.station.desk import agreed, desk_view, judge, new_desk
from semiconductor_cls.station.station import Station, model_name, strange_note, word_of
from semiconductor_cls.station.verdicts import Verdicts, add_image, add_seen, begin_round, journal, keep_note

N = 6 # Parts of a round
KEYS = dict(Ann=['prprpr','prprpp'], Bob=['prprrr','lrprpp']) # of each round, about the parts by their hash
WORDS = dict(p='pass', r='reject', l='look')

def scored(place, v, run=None):
    "A folder of verdicts with scored parts; their labels, as a table"
    run,v = run or open_run(place/'runs/a'),Verdicts(place/v)
    rows = read_csv(run.file('preds_test.csv')).head(2*N)
    for o in rows.itertuples():
        h = add_image(v, Path(o.path).read_bytes(), 'BMP', {})
        add_seen(v, h, model_name(run), 'desk', Path(o.path).name, o.p_defect)
    hashes = v.read('select hash from seen order by id').hash
    write_csv(pd.DataFrame(dict(sha256=hashes, label=rows.label)), v.path/'gold.csv')
    return v

def test_the_word_of_the_model_is_that_of_the_station(runs, tmp_path):
    "Its review band and its doubts count, whatever the score alone would say"
    run = open_run(runs/'a')
    p = read_csv(run.file('preds_test.csv')).p_defect
    run.decide(p.quantile(.3), p.quantile(.7), 'by hand')
    v = scored(runs.parent, 'band', run)
    h = v.read('select hash from seen order by score').hash.iloc[-1]
    keep_note(v, h, model_name(run), 'unlike training: by hand')
    st,desk = Station(run, v.path, round_of=2*N),new_desk()
    st.ex.maps = None # no map is made, which nobody would see
    for word in ('pass','reject')*N:
        desk = desk_view(st, desk, 'desk', st.t, 'Ann')[0]
        desk = judge(st, desk, 'desk', 'Ann', st.t, desk['hash'], word)
    said = read_answers(v.path)
    assert len(said)==2*N and not said.guessed.any() and said.machine.nunique()==3
    assert said.machine[said.part==h].tolist()==['look'], 'by its note, not by its score'
    assert said.machine.tolist()==[word_of(st, o.score, st.t, strange_note(st, o.part)) for o in said.itertuples()]
    assert journal(v).machine.tolist()==said.machine.tolist()
    flat = agreement(said, tmp_path/'page.html').set_index(['kind','between']).kappa
    assert flat['machine','Ann']==pytest.approx(cohen_kappa_score(said.verdict, said.machine))
    assert 'Look is a word of its own' in (tmp_path/'page.html').read_text()
    assert agreed(st, 'Ann').loc['look'].sum()==(said.machine=='look').sum(), 'the page of the station counts the same'

def sees_nobody(page, other):
    "No word, score or map of the machine, no verdict of somebody else, on any page"
    text = page.inner_text('.gradio-container')
    for words in (other, 'PASS\n', 'REJECT\n'): assert words not in text
    assert page.locator('#picture img.heat, .stands, #near figure, .queue .chip, .queue .s:not(:empty)').count()==0
    assert not any(page.is_visible(o) for o in ('#drop','#list','#heat','#slider','#set','#rates'))
    for name,there in (('Search','#squares .says'), ('Verdicts','#log .says')):
        page.get_by_role('tab', name=name).click()
        page.wait_for_selector(there)
        assert 'in a blind round' in page.inner_text(there) and other not in page.inner_text('.gradio-container')
    page.get_by_role('tab', name='Inspect').click()

def work(page, keys, size):
    "Judge the whole round by keyboard, with one verdict taken back; the parts in the order in which they came"
    page.set_viewport_size(dict(width=size[0], height=size[1]))
    waits(page, N)
    fits(page, size[0])
    order = page.evaluate('[...document.querySelectorAll("#queue li")].map(o => o.dataset.pick)')
    ranks = {h:i for i,h in enumerate(sorted(order))}
    press(page, 'l' if keys[ranks[order[0]]]!='l' else 'p')
    answered(page)
    page.keyboard.press('u')
    on_desk(page, order[0])
    oops(page, 'Taken back')
    assert 'stands' not in page.inner_text('#oops')
    waits(page, N)
    for k in range(N):
        page.keyboard.press(keys[ranks[shown(page)]])
        answered(page)
    page.wait_for_function('document.querySelector("#queue").innerText.includes("you have judged all")')
    assert 'Thank you' in page.inner_text('#picture')
    return order

def test_a_blind_round_of_two_people_and_its_kappas(place, chrome, tmp_path, semicls):
    v,orders = scored(place, 'round'),[]
    for k in range(2):
        with Server(place, '--verdicts', 'round', '--folders', 'parts', '--round', str(N), run='a') as s:
            ann,bob = (Inspector(chrome, s.url, o).page for o in ('Ann','Bob'))
            send_twice(ann)
            orders.append(work(ann, KEYS['Ann'][k], SIZES[k]))
            sees_nobody(bob, 'Ann')
            work(bob, KEYS['Bob'][k], SIZES[2])
            bob.keyboard.press('u') # once more, at the end
            waits(bob, 1)
            bob.keyboard.press(KEYS['Bob'][k][sorted(orders[0]).index(shown(bob))])
            answered(bob)
            refused = 403,f'blind round-{k+1}: the tables come after it'
            assert all(get(s.url+o)==refused for o in ('journal.csv','verdicts.csv'))
            s.quiet()
    said = journal(v).fillna('')
    assert set(orders[0])==set(orders[1]) and orders[0]!=orders[1], 'the same parts in another order'
    said = said[said.taken_back==''].sort_values(['round','who','sha256'])
    want = [WORDS[key] for k in range(2) for who in KEYS for key in KEYS[who][k]]
    assert said.verdict.tolist()==want and len(said)==4*N

    made = semicls('agree', place/'round', '--gold', v.path/'gold.csv')
    assert made.returncode==0, made.err
    found = pd.read_csv(tmp_path/'agreement.csv').set_index(['kind','between']).kappa
    ann,bob = (said[said.who==o] for o in ('Ann','Bob'))
    assert found['between','Ann and Bob']==pytest.approx(cohen_kappa_score(ann.verdict, bob.verdict))
    labels = read_csv(v.path/'gold.csv').set_index('sha256').label.map(dict(good='pass', defect='reject'))
    machine = (said.score>=said.threshold).map({True:'reject', False:'pass'})
    for who,rows in (('Ann',ann), ('Bob',bob)):
        assert found['label',who]==pytest.approx(cohen_kappa_score(rows.verdict, labels[rows.sha256]))
        assert found['machine',who]==pytest.approx(cohen_kappa_score(rows.verdict, machine[rows.index]))
        first,second = (rows.verdict[rows['round']==f'round-{k}'].to_numpy() for k in (1,2))
        same,shares = (first==second).mean(),rows.verdict.value_counts(normalize=True)
        chance = (shares**2).sum() # of two answers of one person (Scott)
        assert found['within',who]==pytest.approx((same-chance)/(1-chance))
    page = new_page(chrome)
    page.goto((tmp_path/'agreement.html').as_uri())
    for width,height in SIZES:
        page.set_viewport_size(dict(width=width, height=height))
        assert page.evaluate('document.documentElement.scrollWidth')<=width
        page.screenshot(path=tmp_path/f'agree_{width}.png', full_page=True)
    assert f'{N} parts, 2 people, 2 rounds, {4*N} answers' in page.inner_text('body')
    assert f"{found['between','Ann and Bob']:.2f}" in page.inner_text('body')

def table_of(path, rows, columns='part who round verdict'):
    "A table as people write one"
    path.write_text('\n'.join([columns.replace(' ', ','), *(','.join(map(str, o)) for o in rows)])+'\n')
    return path

def test_labels_of_parts_with_leading_zeros_are_found(tmp_path, semicls):
    "Also where one table holds numbers only, and the other does not"
    parts = [f'{i:03d}' for i in range(1, 31)]
    right = {part:('good','defect')[i%2] for i,part in enumerate(parts)}
    said = [(o,who,1,'reject' if right.get(o)=='defect' else 'pass') for o in [*parts,'A1'] for who in ('Ann','12')]
    answers = table_of(tmp_path/'a.csv', said)
    gold = table_of(tmp_path/'g.csv', [*right.items(), ('099','good'), ('098',''), ('','good')], 'part label')
    made = semicls('agree', answers, '--gold', gold, '--out', 'p.html')
    assert made.returncode==0, made.err
    assert ('gold labels of 30 of 31 parts; left out: 1 part without one, such as A1, 1 label of parts that nobody '
            'judged, such as 099, 2 rows without a part or a label') in made.err
    kept = read_csv(tmp_path/'p.csv').set_index(['kind','between'])
    for who in ('12','Ann'): assert tuple(kept.loc[('label',who), ['kappa','answers']])==(1,30)

@pytest.mark.parametrize('rows,labels,want', [
    ([('001','Ann',1,'pass')], [('001','good'), ('001','defect')], 'g.csv: 001 has two labels that contradict'),
    ([('001','Ann',1,'pass')], [('1','good')], 'g.csv: names none of the parts of a.csv'),
    ([('001','Ann',1,'pass')], [('001','NG')], "g.csv: label 'NG' is none of"),
    ([('001','Ann',1,'pass'), ('002','',1,'pass')], [('001','good')], 'a.csv: 1 row without who'),
    ([('001','Ann',1,'pass'), ('','Ann',1,'pass')], [('001','good')], 'a.csv: 1 row without part'),
    ([('001','Ann',1,'pass'), ('001','Ann ',1,'reject')], [('001','good')], 'Ann has two answers about 001'),
    ([('001','Ann',1,'pass')], None, 'a.csv: nothing to compare')])
def test_what_a_study_cannot_count_is_refused_by_name(rows, labels, want, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gold = labels and table_of(Path('g.csv'), labels, 'part label')
    answers = table_of(Path('a.csv'), rows)
    with pytest.raises(UserError, match=want): agreement(read_answers(answers, gold), 'p.html', 'a.csv')
    assert not Path('p.html').exists()

def test_a_person_called_as_the_model_is_has_a_row_of_their_own(tmp_path):
    said = [(f'{i}',who,1,('pass','reject')[i%2],('pass','reject')[i%3>0],('good','defect')[i%2])
            for i in range(12) for who in ('Ann','the model')]
    answers = table_of(tmp_path/'a.csv', said, 'part who round verdict machine label')
    flat = agreement(read_answers(answers), tmp_path/'p.html')
    found = flat[flat.kind=='label'].set_index('between').kappa
    assert found.index.tolist()==['Ann','the model','the model (the machine)']
    assert found['the model']==1 and found['the model (the machine)']<1

def test_a_person_has_one_spelling(tmp_path):
    "Ada and ada are one person to the station, and to the study"
    rows = [(part,who,k,'pass' if part<'c' else 'reject') for k,who in ((1,'Ada'),(2,'ada')) for part in 'abcd']
    pd.DataFrame(rows, columns=['part','who','round','verdict']).to_csv(tmp_path/'a.csv', index=False)
    found = kappas(check_answers(read_answers(tmp_path/'a.csv'), 'a.csv'))
    assert found['between'].empty and found['within'].between.tolist()==['Ada']

def test_an_interval_has_a_width_where_nobody_ever_disagreed(tmp_path):
    "Twenty parts do not show that people never will: 1.00 to 1.00 was said"
    said = [(f'{i}',who,k,('pass','pass','reject')[i%3],('good','good','defect')[i%3])
            for i in range(20) for who in ('Ann','Ben') for k in (1,2)]
    answers = table_of(tmp_path/'a.csv', said, 'part who round verdict label')
    flat = agreement(read_answers(answers), tmp_path/'p.html')
    assert set(flat.kind)=={'within','between','label'} and (flat.kappa==1).all() and (flat.hi==1).all()
    assert ((.6<flat.lo) & (flat.lo<.95)).all()
    assert 'In drawn studies they held the truth in 93 to 97 of 100' in (tmp_path/'p.html').read_text()

@pytest.mark.parametrize('sizes', [[6,7]*4, range(5,13)], ids=['two','eight'])
def test_stations_that_begin_at_once_have_one_round(tmp_path, sizes):
    v,together = Verdicts(tmp_path/'v'),Barrier(8)
    for i in range(12): add_seen(v, f'{i:064x}', 'a@1', 'desk', f'{i}.png', i/12)
    def begin(n):
        together.wait()
        return begin_round(v, 'a@1', n)[:2]
    with ThreadPoolExecutor(8) as pool: (found,) = set(pool.map(begin, sizes))
    rows = v.read("select hash from seen where desk='round-1'").hash
    assert found==('round-1',len(rows)) and rows.is_unique and found[1] in sizes

@pytest.mark.parametrize('name', ['page', 'page.csv', 'made.html'])
def test_a_page_has_the_name_of_one(tmp_path, name):
    (tmp_path/'made.html').mkdir()
    said = pd.DataFrame(dict(part=[1,1], who=['a','b'], round=1, verdict='pass'))
    with pytest.raises(UserError, match='is a folder|has to end in .html'): agreement(said, tmp_path/name)
    assert [o.name for o in tmp_path.iterdir()]==['made.html'] and not any((tmp_path/'made.html').iterdir())
