"What patterns and folders name, hostile ones too; a watch whose rows lack a score says so in its exit code"
import os, shutil, types
import pytest
import test_predict as t
from test_predict import Brightness, OK, link, png, write, zipped
from semiconductor_cls import predict
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.line.inputs import LEADS_OUT, list_inputs

def all_of(*makes): return lambda d: [o(d) for o in makes]
def folder(name): return lambda d: (d/'in'/name).mkdir(parents=True)
A,OUT,MORE = write('a.png', png()),link('l.png', '../secret/s.png'),link('more', '../secret')

# as in test_predict: what is made in `in/`, what is asked for, and the answer
CASES = dict(
    images=(all_of(A, OUT), 'in/*.png', {'a.png':OK, 'l.png':'leads out'}),
    all=(all_of(A, OUT, MORE), 'in/*', {'a.png':OK, 'l.png':'leads out', 'more':'leads out'}),
    deep=(all_of(A, OUT, MORE), 'in/**/*.png', {'a.png':OK, 'l.png':'leads out', 'more/s.png':'leads out'}),
    everything=(all_of(A, OUT, MORE), 'in/**', {'a.png':OK, 'l.png':'leads out', 'more':'leads out'}),
    behind=(all_of(A, MORE), 'in/*/s.png', {'more/s.png':'leads out'}),
    folder_itself=(MORE, 'in/mor*', {'more':'leads out'}),
    absolute=(link('l.png', 'SECRET/s.png'), 'in/?.png', {'l.png':'leads out'}),
    link_to_link=(all_of(link('a', '../secret'), link('l.png', 'a/s.png')), 'in/*.png', {'l.png':'leads out'}),
    up=(A, 'in/*/../../secret/*.png', 'no such file'),
    device=(link('z.png', '/dev/zero'), 'in/*.png', {'z.png':'leads out'}),
    archive=(all_of(lambda d: (d/'secret/s.zip').write_bytes(zipped([('s.png', png())])), link('l.zip', '../secret/s.zip')), 'in/*.zip', {'l.zip':'leads out'}),
    sibling_prefix=(lambda d: ((d/'in2').mkdir(), (d/'in2/s.png').write_bytes(png()), link('l.png', '../in2/s.png')(d)), 'in/*', {'l.png':'leads out'}),
    deeper_start=(all_of(write('b/c/x.png', png()), A, lambda d: os.symlink('../../a.png', d/'in/b/c/l.png')), 'in/b/*/*.png', {'x.png':OK, 'l.png':'leads out'}),
    inside=(all_of(A, link('l.png', 'a.png')), 'in/*.png', {'a.png':OK, 'l.png':OK}),
    dangling=(link('l.png', 'gone'), 'in/*.png', {'l.png':'dangling'}),
    round=(link('l.png', 'l.png'), 'in/*.png', {'l.png':t.SOME}),
    lots_one_empty=(all_of(write('1/a.png', png()), folder('2')), 'in/*', {'1/a.png':OK}),
    lots_empty_zip=(all_of(A, write('b.zip', zipped([]))), 'in/*', {'a.png':OK}),
    lots_all_empty=(all_of(folder('1'), folder('2')), 'in/*', 'no images in what it names'),
    contest_test_out=(all_of(write('train/good_0/g.png', png()), write('train/bad_1/b.png', png()), lambda d: (d/'secret/all_tests').mkdir(), link('test', '../secret')), 'in', {'g.png':OK, 'test':'leads out'}),
)

@pytest.mark.parametrize('name', CASES)
def test_a_pattern_is_as_careful_as_a_folder(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(t.CASES, name, CASES[name])
    t.test_hostile_input_is_answered(name, tmp_path, monkeypatch, capsys)

def test_a_folder_and_a_pattern_over_it_name_the_same(tmp_path):
    for o in ('in','secret'): (tmp_path/o).mkdir()
    (tmp_path/'secret/s.png').write_bytes(png())
    all_of(A, OUT, MORE, write('b/c.png', png()))(tmp_path)
    by_folder,by_pattern = ({str(o): getattr(o, 'note', '') for o in list_inputs(str(tmp_path/o))} for o in ('in','in/*'))
    assert by_folder==by_pattern and sorted(by_folder.values())==['','',LEADS_OUT,LEADS_OUT]
    os.symlink('in', tmp_path/'door')   # what a person names is followed
    assert not getattr(list_inputs(str(tmp_path/'door/a*.png'))[0], 'note', '')

@pytest.mark.parametrize('layout', ['train/good_0 train/bad_1 test/all_tests', 'train/train_contest/good_all train/train_contest/defect test/test_contest/test'])
def test_a_contest_folder_with_and_without_its_test_set(layout, tmp_path):
    for i,d in enumerate(layout.split()): write(f'{d}/{i}.png', png())(tmp_path)
    def names(): return sorted(os.path.basename(o) for o in list_inputs(tmp_path/'in'))
    assert names()==['2.png']
    shutil.rmtree(tmp_path/'in/test')
    assert names()==['0.png','1.png'] and not any(getattr(o, 'note', '') for o in list_inputs(tmp_path/'in'))

def test_a_folder_called_elpv_in_a_pattern_is_a_folder(tmp_path, monkeypatch):
    (tmp_path/'elpv').mkdir(); (tmp_path/'elpv/a.png').write_bytes(png()); monkeypatch.chdir(tmp_path)
    assert list_inputs('elp*')==[os.path.join('elpv','a.png')]

@pytest.mark.parametrize('broken,code', [(False,0), (True,3)])
def test_a_watch_with_rows_without_a_score_ends_in_3(broken, code, tmp_path, monkeypatch, capsys):
    from semiconductor_cls.cli import main
    (tmp_path/'in').mkdir(); A(tmp_path)
    if broken: (tmp_path/'in/b.png').write_bytes(b'')
    clock = iter(range(1000))
    def sleep(_):
        if (tmp_path/'o.csv').read_bytes().count(b'\n')==2+broken: raise KeyboardInterrupt
    monkeypatch.setattr(predict, 'time', types.SimpleNamespace(monotonic=lambda: next(clock), sleep=sleep))
    monkeypatch.setattr(predict, 'open_scorer', lambda *_: Brightness()); monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('sys.argv', ['semicls','predict','stub','--watch','in','--settle','1','--out','o.csv'])
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err
    assert e.value.code==code and f'{1+broken} files scored' in err and f'{broken:d} without a score' in err
    assert read_csv('o.csv').p_defect.isna().sum()==broken
