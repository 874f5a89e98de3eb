"Hostile folders, lists, patterns and archives are answered and never followed: guards `inputs` and `archives`"
import os, shutil
from pathlib import Path
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from conftest import picture, stub_scorer
from hostile import A, CASES, LEADS_OUT, OK, SOME, all_of, folder, link, png, sibling, watched, write
from hostile import zipped, zipped_pngs
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.parts import say_left_out
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.line.inputs import file_id, iter_ids, list_inputs
from semiconductor_cls.line.score import PRED_COLS
import semiconductor_cls.line.archives as archives
import semiconductor_cls.line.inputs as inputs

WRITES = os.O_WRONLY|os.O_RDWR|os.O_CREAT
SMALL_TOTAL = ('zip_ratio','tar_bomb') # a lower limit, so that a bomb may be small

def fits(note, want):
    "Whether the note of a row is the one that is wanted"
    if want==OK: return note is None
    return bool(note) and (want==SOME or want in note)

def answered(case, tmp_path, monkeypatch, capsys):
    "Make the files, score them with the command, and hold what it says, reads and writes against the case"
    from semiconductor_cls.cli import main
    make,ask,want = case
    for d in ('in','secret'): (tmp_path/d).mkdir()
    (tmp_path/'secret/s.png').write_bytes(png())
    make(tmp_path)
    before = set(tmp_path.rglob('*'))
    monkeypatch.chdir(tmp_path)
    stub_scorer(monkeypatch)
    monkeypatch.setattr('sys.argv', ['semicls','predict','stub',ask,'--out','out/o.csv'])
    with watched() as opened, pytest.raises(SystemExit) as e: main()
    code,err = e.value.code,capsys.readouterr().err
    assert 'Traceback' not in err
    assert not any('/secret/' in p for p,_ in opened), 'read what is outside'
    written = [p for p,flags in opened if flags & WRITES]
    assert all(p.startswith(str(tmp_path/'out')) for p in written), 'wrote outside'
    new = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob('*') if p not in before}
    if isinstance(want, str):
        assert code==1 and want in err
        assert len(err.splitlines())==1
        assert new==set()
        return
    assert new=={'out','out/o.csv'}
    df = read_csv(tmp_path/'out/o.csv')
    assert df.columns.tolist()==PRED_COLS
    assert len(df) and df.id.is_unique and df.path.is_unique
    unscored = df.p_defect.isna()
    assert code==(3 if unscored.any() else 0)
    assert df.note[unscored].notna().all() and (unscored==df.decision.isna()).all()
    doubted = df.path[~unscored & df.note.notna()] # a note beside a score has to be one that was asked for
    assert all(any(o.endswith(path) and part for path,part in want.items()) for o in doubted), doubted.tolist()
    for path,part_of_note in want.items():
        row = df[df.path.str.endswith(path)]
        assert len(row), (path, df.path.tolist())
        assert all(fits(n, part_of_note) for n in row.note), row.note.tolist()

@pytest.mark.parametrize('name', CASES)
def test_hostile_input_is_answered(name, tmp_path, monkeypatch, capsys):
    if name in SMALL_TOTAL: monkeypatch.setattr(archives, 'MIN_TOTAL', 5_000_000)
    answered(CASES[name], tmp_path, monkeypatch, capsys)

def test_many_hostile_inputs(tmp_path):
    assert len(CASES)>=50
    with watched() as opened: (tmp_path/'secret').write_text('x')
    assert any(p==str(tmp_path/'secret') and flags & WRITES for p,flags in opened), 'and they are really watched'

# ---- patterns

OUT,MORE = link('l.png', '../secret/s.png'),link('more', '../secret')

def zip_outside(d): (d/'secret/s.zip').write_bytes(zipped_pngs('s.png'))
def contest_outside(d): (d/'secret/all_tests').mkdir()
def link_of_a_lot(d): os.symlink('../../a.png', d/'in/b/c/l.png')

CONTEST = all_of(write('train/good_0/g.png', png()), write('train/bad_1/b.png', png()))

# as in `hostile`: what is made in `in/`, what is asked for, and the answer
PATTERNS = dict(
    images=(all_of(A, OUT), 'in/*.png', {'a.png':OK, 'l.png':LEADS_OUT}),
    all=(all_of(A, OUT, MORE), 'in/*', {'a.png':OK, 'l.png':LEADS_OUT, 'more':LEADS_OUT}),
    deep=(all_of(A, OUT, MORE), 'in/**/*.png', {'a.png':OK, 'l.png':LEADS_OUT, 'more/s.png':LEADS_OUT}),
    everything=(all_of(A, OUT, MORE), 'in/**', {'a.png':OK, 'l.png':LEADS_OUT, 'more':LEADS_OUT}),
    behind=(all_of(A, MORE), 'in/*/s.png', {'more/s.png':LEADS_OUT}),
    folder_itself=(MORE, 'in/mor*', {'more':LEADS_OUT}),
    absolute=(link('l.png', 'SECRET/s.png'), 'in/?.png', {'l.png':LEADS_OUT}),
    link_to_link=(all_of(link('a', '../secret'), link('l.png', 'a/s.png')), 'in/*.png', {'l.png':LEADS_OUT}),
    up=(A, 'in/*/../../secret/*.png', 'no such file'),
    device=(link('z.png', '/dev/zero'), 'in/*.png', {'z.png':LEADS_OUT}),
    archive=(all_of(zip_outside, link('l.zip', '../secret/s.zip')), 'in/*.zip', {'l.zip':LEADS_OUT}),
    sibling_prefix=(sibling, 'in/*', {'l.png':LEADS_OUT}),
    deeper_start=(all_of(write('b/c/x.png', png()), A, link_of_a_lot), 'in/b/*/*.png', {'x.png':OK, 'l.png':LEADS_OUT}),
    inside=(all_of(A, link('l.png', 'a.png')), 'in/*.png', {'a.png':OK, 'l.png':OK}),
    dangling=(link('l.png', 'gone'), 'in/*.png', {'l.png':'dangling'}),
    round=(link('l.png', 'l.png'), 'in/*.png', {'l.png':SOME}),
    lots_one_empty=(all_of(write('1/a.png', png()), folder('2')), 'in/*', {'1/a.png':OK}),
    lots_empty_zip=(all_of(A, write('b.zip', zipped([]))), 'in/*', {'a.png':OK}),
    lots_all_empty=(all_of(folder('1'), folder('2')), 'in/*', 'no images in what it names'),
    contest_test_out=(all_of(CONTEST, contest_outside, link('test', '../secret')), 'in',
                      {'g.png':OK, 'test':LEADS_OUT}),
)

@pytest.mark.parametrize('name', PATTERNS)
def test_a_pattern_is_as_careful_as_a_folder(name, tmp_path, monkeypatch, capsys):
    answered(PATTERNS[name], tmp_path, monkeypatch, capsys)

def notes(path): return {str(o): getattr(o, 'note', '') for o in list_inputs(str(path))}

def test_a_folder_and_a_pattern_over_it_name_the_same(tmp_path):
    for o in ('in','secret'): (tmp_path/o).mkdir()
    (tmp_path/'secret/s.png').write_bytes(png())
    all_of(A, OUT, MORE, write('b/c.png', png()))(tmp_path)
    by_folder,by_pattern = notes(tmp_path/'in'),notes(tmp_path/'in/*')
    assert by_folder==by_pattern
    assert sorted(by_folder.values())==['','',inputs.LEADS_OUT,inputs.LEADS_OUT]
    os.symlink('in', tmp_path/'door') # what a person names is followed
    assert list(notes(tmp_path/'door/a*.png').values())==['']

# ---- what else is named

SHORT,LONG = 'train/good_0 train/bad_1 test/all_tests','train/train_contest/good_all train/train_contest/defect'

@pytest.mark.parametrize('layout', [SHORT, LONG+' test/test_contest/test'])
def test_a_contest_folder_with_and_without_its_test_set(layout, tmp_path):
    for i,d in enumerate(layout.split()): write(f'{d}/{i}.png', png())(tmp_path)
    def names(): return sorted(os.path.basename(o) for o in list_inputs(tmp_path/'in'))
    assert names()==['2.png']
    shutil.rmtree(tmp_path/'in/test')
    assert names()==['0.png','1.png']
    assert not any(notes(tmp_path/'in').values())

def test_a_folder_called_elpv_in_a_pattern_is_a_folder(tmp_path, monkeypatch):
    picture(tmp_path/'elpv/a.png')
    monkeypatch.chdir(tmp_path)
    assert list_inputs('elp*')==[os.path.join('elpv','a.png')]

def test_no_file_twice_however_it_is_spelt(tmp_path, monkeypatch):
    picture(tmp_path/'ph/a.png')
    monkeypatch.chdir(tmp_path)
    assert list_inputs(['ph','./ph','ph/a.png'])==list_inputs('ph')==['ph/a.png']
    (tmp_path/'a.zip').write_bytes(zipped_pngs('m/1.png','m/2.png'))
    (tmp_path/'linked').symlink_to('ph')
    for name,others in {'ph':['linked','./linked/a.png'], 'a.zip':['./a.zip',tmp_path/'a.zip']}.items():
        listed = list_inputs([name, *others])
        assert listed==list_inputs(name) and [*iter_ids(listed)]==[*iter_ids(list_inputs(name))]
        assert len(listed.findings)==2 and all('named before and scored once' in o[3] for o in listed.findings)

LISTS = {'l.csv':'n,Image\n1,{}\n2,{}\n', 'm.csv':'File name;lot\n{};A\n{};B\n',
    'n.tsv':'filename\tlabel\n{}\tok\n{}\tng\n',
    'o.txt':'{} good\n{} NG\n', 'p.tsv':'{}\t0\n{}\t1\n', 'q.txt':'image\tclass\n{}\tok\n{}\tng\n', 'r.txt':'{}\n{}\n'}

@pytest.mark.parametrize('name', LISTS)
def test_a_list_names_its_pictures_in_the_words_that_training_knows(tmp_path, name):
    pictures = [picture(tmp_path/'in 1'/f'{i}.png', i) for i in range(2)]
    (tmp_path/name).write_text(LISTS[name].format('in 1/0.png', 'in 1/1.png'))
    assert list_inputs(tmp_path/name)==[str(o) for o in pictures]

@pytest.mark.parametrize('head', ['image,file','filename,img'])
def test_two_columns_that_may_be_the_path_are_refused(tmp_path, head):
    (tmp_path/'l.csv').write_text(f'{head}\na.png,b.png\n')
    with pytest.raises(UserError, match="l.csv: columns '.*' and '.*' may both be 'path'"):
        list_inputs(tmp_path/'l.csv')

def test_a_picture_whose_name_ends_like_a_label_is_named_by_its_line(tmp_path):
    picture(tmp_path/'a.png')
    os.rename(tmp_path/'a.png', tmp_path/'a.png rework')
    (tmp_path/'l.txt').write_text('a.png rework\n')
    assert list_inputs(tmp_path/'l.txt')==[str(tmp_path/'a.png rework')]

folders,files = st.sampled_from(['a','b','a/b','/a']),st.sampled_from(['x.png','x.bmp','y.png','x','x.y.png'])
some_paths = st.lists(st.tuples(folders, files), unique=True,
    min_size=1).map(lambda names: ['/'.join(o) for o in names])

@settings(max_examples=60)
@given(some_paths)
def test_every_file_has_an_id_of_its_own(paths):
    ids = list(iter_ids(paths))
    assert len(set(ids))==len(ids)
    names = [file_id(o) for o in paths]
    assert all(key==name for key,name in zip(ids, names) if names.count(name)==1)

def test_the_id_of_a_file_does_not_depend_on_what_else_is_scored(tmp_path, monkeypatch):
    for lot in ('lot1','lot2'):
        for i in range(3): picture(tmp_path/lot/f'{i:03d}.png')
    monkeypatch.chdir(tmp_path/'lot1')
    calls = ['000.png'],['.'],['../lot1'],[tmp_path/'lot1',tmp_path/'lot2'],[tmp_path],[tmp_path/'lot*']
    for call in calls:
        listed = list_inputs(call)
        ids = {os.path.realpath(path):key for path,key in zip(listed, iter_ids(listed))}
        assert ids[str(tmp_path/'lot1/000.png')]=='lot1/000', call

def test_the_contest_has_names_as_ids(tmp_path):
    for folder in ('train/good_0','train/bad_1','test/all_tests'): picture(tmp_path/folder/f'{folder[-1]}.jpg')
    for call in (tmp_path, tmp_path/'test/all_tests'):
        listed = list_inputs(call)
        assert list(iter_ids(listed))==['s']

MASK_PLACES = [('images/7','masks/7'), ('test/dent/7','ground_truth/dent/7_mask')]

@pytest.mark.parametrize('part,mask', MASK_PLACES, ids=lambda o: o)
@pytest.mark.parametrize('packed', [False,True], ids=['folder','archive'])
def test_a_mask_in_a_folder_of_masks_is_no_part(tmp_path, part, mask, packed):
    top = tmp_path/'in'
    photo,marks = Image.effect_noise((40,30), 40),Image.new('L', (40,30))
    marks.paste(255, (5,6,15,10))
    for name,im in ((part,photo), (mask,marks), ('masks/8',photo), ('gt/lot7',marks)):
        (top/name).parent.mkdir(parents=True, exist_ok=True)
        im.save(top/f'{name}.png')
    given = shutil.make_archive(str(tmp_path/'a'), 'zip', top) if packed else top
    found = list_inputs(str(given))
    assert sorted(Path(o).stem for o in found)==['7','8','lot7']    # what has no picture stays
    assert 'left out: 1 as mask' in say_left_out(found.findings)
