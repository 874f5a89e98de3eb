"The decode cache on bad days: files that come back, two builders at once, a killed builder, a full disk, a full folder"
import errno, os, signal, subprocess, sys
from pathlib import Path
import numpy as np, pytest
from conftest import PATIENCE, limit, part, tiny
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import file_md5
from semiconductor_cls.base.table import CLASSES, make_table
from semiconductor_cls.cache import cache_gb, ImageCache
from semiconductor_cls.base.image import ImageError, load_image
from semiconductor_cls.recipe import QUICK
from semiconductor_cls.train import recipe_dls
import semiconductor_cls.cache as data

# ---- failures that pass

def test_a_file_that_was_away_is_not_broken_for_ever(hashed, tmp_path):
    folder,p = tmp_path/'c',Path(hashed.path[5])
    p.rename(tmp_path/'away')
    c = ImageCache(hashed, 32, folder)
    assert c.broken=={5:'no such file'}
    assert not list(folder.glob('*.npy'))
    assert (c[4]==load_image(hashed.path[4], 32)).all(), 'the others can be used meanwhile'
    assert not c.data.flags.writeable
    with pytest.raises(UserError, match='05.png: no such file'): recipe_dls(hashed, QUICK, 32, 'cpu', folder)
    (tmp_path/'away').rename(p)
    assert len(recipe_dls(hashed, QUICK, 32, 'cpu', folder).train.items)==32
    c = ImageCache(hashed, 32, folder)
    assert c.broken=={}
    assert (c[5]==load_image(p, 32)).all()

CAUSES = [PermissionError(errno.EACCES, 'denied'), OSError(errno.EIO, 'disk'), OSError(errno.EMFILE, 'too many files'),
          MemoryError()]

@pytest.mark.parametrize('cause', CAUSES)
def test_memory_disk_and_rights_pass(hashed, tmp_path, monkeypatch, cause):
    def fails(path, *args):
        if str(path)!=hashed.path[5]: return load_image(path, *args)
        try: raise cause
        except Exception: raise ImageError('bad luck') from None
    with monkeypatch.context() as m:
        m.setattr(data, 'load_image', fails)
        assert ImageCache(hashed, 32, tmp_path/'c').broken=={5:'bad luck'}
    assert ImageCache(hashed, 32, tmp_path/'c').broken=={}

def test_what_is_broken_by_its_content_is_decoded_once(hashed, tmp_path, monkeypatch):
    cut,empty = Path(hashed.path[5]),Path(hashed.path[6])
    cut.write_bytes(cut.read_bytes()[:300])
    empty.write_bytes(b'')
    hashed['hash'] = [file_md5(p) for p in hashed.path]
    bad = ImageCache(hashed, 32, tmp_path/'c').broken
    assert list(bad)==[5,6]
    monkeypatch.setattr(data, 'load_image', None)
    assert ImageCache(hashed, 32, tmp_path/'c').broken==bad

def test_missing_hashes_are_computed_and_share_no_row(hashed, tmp_path):
    some = [None, '', np.nan, *hashed['hash'][3:]]
    c = ImageCache(hashed.assign(hash=some), 32, tmp_path/'c')
    assert c.hash==hashed['hash'].tolist()
    assert c.broken=={}
    assert all((c[i]==load_image(hashed.path[i], 32)).all() for i in range(4))

def test_images_that_have_gone_are_not_black_ones(tmp_path):
    gone = [dict(path=str(tmp_path/f'gone{i}.png'), label=CLASSES[i%2], split='train') for i in range(4)]
    with pytest.raises(UserError, match='gone0.png: no such file'):
        recipe_dls(make_table(gone), tiny(), 32, 'cpu', tmp_path/'c')
    (tmp_path/'d.png').mkdir()
    df = make_table([dict(path=str(tmp_path/n)) for n in ('d.png','gone.png')])
    assert list(ImageCache(df, 32, tmp_path/'c').broken.values())==['directory','no such file']

# ---- the folder

def used(path, day): os.utime(path, (day,day))

def test_the_bound_counts_what_comes(hashed, tmp_path, monkeypatch):
    folder = tmp_path/'c'
    monkeypatch.setenv('SEMICLS_CACHE_GB', '1e-9')
    for size in (32,40,48): last = ImageCache(hashed, size, folder).path
    assert len(list(folder.iterdir()))==2
    monkeypatch.setenv('SEMICLS_CACHE_GB', str(48*(48**2+32**2+500)/1e9))
    other = ImageCache(hashed, 32, folder).path
    assert len(list(folder.glob('*.npy')))==2
    used(last, 1)
    used(other, 2)
    ImageCache(hashed, 48, folder) # opened again, so it is the other one that was used longest ago
    ImageCache(hashed, 33, folder)
    assert sorted(np.load(o).shape[1] for o in folder.glob('*.npy'))==[33,48]
    monkeypatch.setenv('SEMICLS_CACHE_GB', 'much')
    with pytest.raises(UserError, match='SEMICLS_CACHE_GB'): ImageCache(hashed, 50, folder)
    monkeypatch.delenv('SEMICLS_CACHE_GB')
    assert cache_gb()==20

def test_leftovers_go_by_age_and_others_files_stay(hashed, tmp_path):
    folder = tmp_path/'c'
    folder.mkdir()
    old,young = (folder/f".{k*24}.npy.99999999-1.tmp" for k in 'ab')
    others = [folder/n for n in ('mine.npy','notes.tmp','.mine.npy.1-1.tmp')]
    for p in (old, young, *others): p.write_bytes(b'x'*100)
    for p in (old, *others): used(p, 1)
    ImageCache(hashed, 32, folder, max_gb=0)
    assert not old.exists()
    assert young.exists(), 'it may be of another machine'
    assert all(p.exists() for p in others)

# ---- processes

BUILD = """
import sys, time, warnings
warnings.filterwarnings('ignore')
from pathlib import Path
from semiconductor_cls.base.table import make_table
from semiconductor_cls.cache import ImageCache
import semiconductor_cls.cache as d
decoded,stop,load = [],int(sys.argv[3]),d.load_image
def counted(*args):
    decoded.append(1)
    if len(decoded)==stop: print('half', flush=True)
    while stop and len(decoded)>=stop: time.sleep(1)
    return load(*args)
d.load_image = counted
paths = sorted(Path(sys.argv[1]).glob('*.png'))
print('start', flush=True)
c = ImageCache(make_table([dict(path=str(p), label='good') for p in paths]), 48, sys.argv[2])
print(len(decoded), int(sum(c[i].sum() for i in range(len(c)))), flush=True)
"""

def build(imgs, folder, stop=0, **kw):
    "Fill a cache in a process of its own; after `stop` pictures it stands still"
    cmd = [sys.executable, '-c', BUILD, str(imgs), str(folder), str(stop)]
    return subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)

def built(p):
    "How many pictures were decoded, and the sum of all pixels"
    out,err = p.communicate(timeout=PATIENCE)
    assert p.returncode==0, err
    return out.split()[1:]

def kinds(folder): return sorted(o.suffix for o in folder.iterdir())

@pytest.fixture
def imgs(tmp_path):
    for i in range(40): part(tmp_path/f'imgs/{i:02}.png', 0, i)
    return tmp_path/'imgs'

def test_two_builders_at_once_and_a_third_that_decodes_nothing(imgs, tmp_path):
    both = [build(imgs, tmp_path/'c') for _ in range(2)]
    (_,sum_a),(_,sum_b) = map(built, both)
    assert sum_a==sum_b
    n,total = built(build(imgs, tmp_path/'c'))
    assert (n,total)==('0',sum_a), 'the second model of a committee spends nothing on decoding'
    assert kinds(tmp_path/'c')==['.json','.npy']

def test_a_killed_builder_leaves_nothing_that_counts(imgs, tmp_path):
    folder = tmp_path/'c'
    p = build(imgs, folder, stop=20)
    assert [p.stdout.readline() for _ in range(2)]==['start\n','half\n']
    p.send_signal(signal.SIGKILL)
    p.wait()
    left = list(folder.glob('.*.tmp'))
    assert left and not list(folder.glob('*.npy'))
    for o in left: used(o, 1) # a day later
    n,_ = built(build(imgs, folder))
    assert n=='40'
    assert kinds(folder)==['.json','.npy'], 'the leftovers are gone'

def test_full_disk_while_decoding_is_an_error_and_leaves_nothing(imgs, tmp_path):
    p = build(imgs, tmp_path/'c', preexec_fn=limit(20_000))
    _,err = p.communicate(timeout=PATIENCE)
    assert p.returncode==1 and 'OSError' in err
    assert not list((tmp_path/'c').iterdir())
