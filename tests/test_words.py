"Guards the singular: what the commands and their pages say of one file, defect, copy or group"
import re, shutil
import pytest
from conftest import part

ENDS_IN_S = {'has','is','was','does','pass','class','loss','less','bias','axis'} # Words with an s that may follow a 1
FAST = '--set arch=test_resnet --set sizes=32 --set epochs=1 --set bs=8 --weights none'.split()

def bare(text):
    "'1 files' and the like in a text, with what stands around"
    found = re.finditer(r'(?<![\d.,:])1 ([a-z]+ )?([a-z]+s)\b(?!/)', text)
    return [text[max(0, o.start()-40):o.end()+20] for o in found if not ENDS_IN_S & {o[1], o[2]}]

def page(path):
    "What a reader of a page sees"
    text = re.sub(r'(?s)<(style|script)\b.*?</\1>', '', path.read_text())
    return re.sub(r'<[^>]+>', '\n', text)

def test_what_is_looked_for(tmp_path):
    assert bare('left out: 1 images') and bare('label of 1 good parts')
    assert not bare('1 file, 11 files, 0.1 files; 1 is blank; 1 image has a box; 1 images/s')

@pytest.fixture
def ones(tmp_path):
    "one/ has one of each, table.csv a box and a test image too; parts/ is enough to train on; new/ is to be scored"
    for i in range(5): part(tmp_path/f'one/{"good" if i else "defect"}/{i:02}.png', not i, i+50)
    for i in range(27): part(tmp_path/f'parts/{"good" if i%3 else "defect"}/{i:02}.png', not i%3, i)
    for o in (tmp_path/'one', tmp_path/'parts'):
        shutil.copy(o/'defect/00.png', o/'good/copy.png')
        (o/'good/cut.png').write_bytes((o/'good/02.png').read_bytes()[:900])
        (o/'good/notes.txt').write_text('no picture')
    rows = ['path,label,split,x_1,y_1,x_2,y_2', 'one/defect/00.png,defect,train,20,20,22,22',
            'one/good/copy.png,,test,,,,']
    rows += [f'one/good/{name}.png,{label},train,,,,' for name,label in zip(('01','02','cut','03'), ['good']*3+[''])]
    (tmp_path/'table.csv').write_text('\n'.join(rows)+'\n')
    part(tmp_path/'new/a.png', True, 99)
    (tmp_path/'new/notes.txt').write_text('no picture')

def test_one_of_each_is_said_in_the_singular(semicls, tmp_path, ones):
    said = {}
    for line in ('eda one --out eda', 'eda table.csv --out boxed', 'clean one --out cleaned', 'train one',
                 ' '.join(['train parts --out run', *FAST]), 'evaluate run', 'predict run new --out new.csv'):
        p = semicls(*line.split())
        assert p.returncode==int(line=='train one'), p.err
        said[line] = p.out+p.err
    said |= {o.parent.name: page(o) for o in sorted(tmp_path.rglob('report.html'))}
    assert {'eda','boxed','run'} <= {*said}
    for word in ('1 defect', '1 copy', '1 conflict', '1 broken', "1 '*.txt'"): assert word in said['eda one --out eda']
    wrong = [f'{name}: …{o}…' for name,text in said.items() for o in bare(text)]
    assert not wrong, '\n'.join(wrong)
