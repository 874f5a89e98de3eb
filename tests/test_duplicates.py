"Copies: which one stays, what a fixture may not be taken for, and that tiny, blank and huge pictures are looked at"
from pathlib import Path
import cv2, numpy as np, pytest
from PIL import Image
from conftest import picture
from fixtures import design, shoot
from semiconductor_cls.base.table import make_table, read_csv
from semiconductor_cls.clean import run_clean
from semiconductor_cls.duplicates import find_copies, group_copies
from semiconductor_cls.inspect import inspect, run_eda

def test_a_labelled_copy_stays_rather_than_one_without_a_label(tmp_path):
    a,b = (picture(tmp_path/f'{n}.png') for n in 'ab')
    df = make_table([dict(path=a), dict(path=b, label='defect')])
    df = group_copies(df.assign(hash='h', pixel_hash='h', reason=None))
    assert Path(df.copy_of[df.id=='a'].iloc[0]).stem=='b'

def save(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)

def test_tiny_blank_and_huge_pictures(tmp_path):
    rng,root = np.random.default_rng(0),tmp_path/'t'
    for label,value in (('good',40), ('defect',41)):
        for i in range(2): save(rng.integers(0, 255, (9,9)), root/label/f'tiny{i}.png')
        save(np.full((100,100), value), root/label/'blank.png')
    big = rng.integers(0, 255, (40,50), np.uint8).repeat(50, 0).repeat(50, 1)
    save(big, root/'good/big.png')
    save(big//2+40, root/'good/dim.png')
    df,summary,_ = inspect(root)
    assert summary['n_near_duplicates']==1
    assert summary['n_broken']==0
    assert df.group.nunique()==len(df)-1

# ---- a fixture: several designs, each photographed in the same place, a different part each time

def fixture(root, noise, ext='png', n_designs=4, n=8):
    "Pictures of different parts; their paths"
    rng = np.random.default_rng(0)
    shots = [shoot(part, rng, noise) for part in [design(rng) for _ in range(n_designs)] for _ in range(n)]
    paths = [root/f'{("good","defect")[i%4==3]}/{i:03d}.{ext}' for i in range(len(shots))]
    for pixels,path in zip(shots, paths): save(pixels, path)
    return paths

@pytest.mark.parametrize('noise,ext', [(1,'png'), (3,'png'), (6,'png'), (1,'jpg'), (3,'jpg')])
def test_other_parts_of_a_design_are_no_copies_and_stay(tmp_path, noise, ext):
    paths = fixture(tmp_path/'t', noise, ext)
    _,summary,found = inspect(tmp_path/'t')
    assert not {'near_copy','conflict','leak'} & set(found.kind)
    assert run_clean(tmp_path/'t', tmp_path/'out')['n_kept']==len(paths)

def planted(paths):
    "Copies of five kinds, of one picture each; what is a copy of what"
    hows = dict(relit=lambda a: np.clip(a*1.1-6, 0, 255), shifted=lambda a: np.roll(a, (2,-1), (0,1)),
                turned=np.rot90, mirrored=lambda a: a[:,::-1], upside_down=lambda a: a[::-1,::-1])
    for path,(name,how) in zip(paths, hows.items()):
        save(how(np.asarray(Image.open(path))), path.parent/f'{name}.png')
    return {frozenset((path.name,f'{name}.png')) for path,name in zip(paths, hows)}

@pytest.mark.parametrize('noise', [1,6])
def test_copies_in_a_fixture_are_found_and_listed_and_stay_until_asked(tmp_path, noise):
    copies = planted(fixture(tmp_path/'t', noise)[::6])
    _,_,found = inspect(tmp_path/'t')
    near = found[found.kind=='near_copy']
    assert {frozenset((Path(p).name, Path(o).name)) for p,o in zip(near.path, near.other)}==copies
    by_default = run_clean(tmp_path/'t', tmp_path/'out')
    assert by_default['n_removed']==0 and by_default['n_near']==len(copies)==len(read_csv(tmp_path/'out/near.csv'))
    asked = run_clean(tmp_path/'t', tmp_path/'out', near=True)
    assert asked['reasons'].get('near_copy', 0)+asked['reasons'].get('conflict', 0)==asked['n_removed']>=len(copies)
    assert not (tmp_path/'out/near.csv').exists()

def test_strips_and_blanks_are_said_not_to_be_compared(tmp_path):
    rng,root = np.random.default_rng(0),tmp_path/'t'
    for label in ('good','defect'): save(rng.integers(0, 255, (30,400)), root/label/'strip.png')
    save(np.full((100,100), 9), root/'good/blank.png')
    summary = run_eda(root, tmp_path/'out')
    assert summary['n_not_compared']==3
    found = read_csv(tmp_path/'out/issues.csv')
    assert sorted(found.detail[found.kind=='not_compared'].str.split(':').str[0])==['blank',
        *['under 48 pixels on a side']*2]
    assert 'Not searched for near copies: 3' in (tmp_path/'out/report.html').read_text()

@pytest.mark.parametrize('turned', [0, .3])
def test_parts_of_a_design_of_fine_structure_are_no_copies(tmp_path, turned):
    "48 parts of one die, with copies of two of them; each lies a little elsewhere"
    rng = np.random.default_rng(7)
    die = np.full((190,240), 100.)
    for y,x,high,wide,gray in zip(*[rng.integers(*o, 7000) for o in ((0,190),(0,240),(2,9),(2,9),(70,170))]):
        die[y:y+high,x:x+wide] = gray
    die = cv2.GaussianBlur(die, (0,0), 1)
    rows = []
    for i in range(48):
        move = cv2.getRotationMatrix2D((120,95), rng.uniform(-turned, turned), 1)
        move[:,2] += rng.uniform(-.1-turned, .1+turned, 2)
        part = cv2.warpAffine(die, move, (240,190), flags=cv2.INTER_CUBIC)[20:170,20:220]
        part = np.clip(part+rng.normal(0, 1, part.shape), 0, 255).astype(np.uint8)
        Image.fromarray(part).save(tmp_path/f'{i:02}.png')
        if i<2: Image.fromarray(np.clip(part*1.05+3, 0, 255).astype(np.uint8)).save(tmp_path/f'{i:02}_relit.png')
        rows += [dict(path=str(o), label='good') for o in sorted(tmp_path.glob(f'{i:02}*.png'))]
    df,_ = find_copies(make_table(rows))
    near = df[df.copy_kind=='near_copy']
    pairs = {frozenset(o) for o in zip(near.id, near.copy_of.map(lambda o: Path(o).stem))}
    assert pairs=={frozenset((f'0{i}',f'0{i}_relit')) for i in range(2)}
