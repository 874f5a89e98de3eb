"The decode cache and its bad luck, its bound, what an epoch draws, weights by file"
import errno, os, time
from pathlib import Path
import numpy as np, pytest, torch, torchvision
from fastai.vision.all import TensorImage, set_seed
from safetensors.torch import save_file
from conftest import part
import semiconductor_cls.data as data
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import file_md5
from semiconductor_cls.base.table import make_table
from semiconductor_cls.cache import cache_gb, ImageCache
from semiconductor_cls.data import batch_augs, make_dls
from semiconductor_cls.base.image import ImageError, load_image
from semiconductor_cls.backbones import Body, fixed_size
from semiconductor_cls.weights import load_pretrained
from semiconductor_cls.recipe import QUICK
from semiconductor_cls.train import recipe_dls, seed_epoch

@pytest.fixture
def df(tmp_path):
    "36 good and 12 defect, hashed, in sets"
    rows = []
    for i in range(48):
        part(tmp_path/f'imgs/{i:02}.png', i%4==0, i)
        rows.append(dict(path=str(tmp_path/f'imgs/{i:02}.png'), label='defect' if i%4==0 else 'good', split='valid' if i%3==2 else 'train'))
    return make_table(rows).assign(hash=[file_md5(r['path']) for r in rows])

# ---- failures that pass

def test_a_file_that_was_away_is_not_broken_for_ever(df, tmp_path):
    p = Path(df.path[5]); p.rename(tmp_path/'away')
    c = ImageCache(df, 32, tmp_path/'c')
    assert c.broken=={5:'no such file'} and not list((tmp_path/'c').glob('*.npy'))
    assert (c[4]==load_image(df.path[4], 32)).all() and not c.data.flags.writeable # the others can be used meanwhile
    with pytest.raises(UserError, match='05.png: no such file'): recipe_dls(df, QUICK, 32, 'cpu', tmp_path/'c')
    (tmp_path/'away').rename(p)
    assert len(recipe_dls(df, QUICK, 32, 'cpu', tmp_path/'c').train.items)==32
    c = ImageCache(df, 32, tmp_path/'c')
    assert c.broken=={} and (c[5]==load_image(p, 32)).all()

@pytest.mark.parametrize('cause', [PermissionError(errno.EACCES, 'denied'), OSError(errno.EIO, 'disk'), OSError(errno.EMFILE, 'too many files'), MemoryError()])
def test_memory_disk_and_rights_pass(df, tmp_path, monkeypatch, cause):
    def fails(path, *a):
        if str(path)!=df.path[5]: return load_image(path, *a)
        try: raise cause
        except Exception: raise ImageError('bad luck') from None
    with monkeypatch.context() as m: m.setattr(data, 'load_image', fails); assert ImageCache(df, 32, tmp_path/'c').broken=={5:'bad luck'}
    assert ImageCache(df, 32, tmp_path/'c').broken=={}

def test_what_is_broken_by_its_content_is_decoded_once(df, tmp_path, monkeypatch):
    Path(df.path[5]).write_bytes(Path(df.path[5]).read_bytes()[:300]); Path(df.path[6]).write_bytes(b'')
    df['hash'] = [file_md5(p) for p in df.path]
    bad = ImageCache(df, 32, tmp_path/'c').broken
    assert list(bad)==[5,6]
    monkeypatch.setattr(data, 'load_image', None)
    assert ImageCache(df, 32, tmp_path/'c').broken==bad

def test_missing_hashes_are_computed_and_share_no_row(df, tmp_path):
    c = ImageCache(df.assign(hash=[None,'',np.nan,*df['hash'][3:]]), 32, tmp_path/'c')
    assert c.hash==df['hash'].tolist() and c.broken=={} and all((c[i]==load_image(df.path[i], 32)).all() for i in range(4))

# ---- the folder

def test_the_bound_counts_what_comes(df, tmp_path, monkeypatch):
    monkeypatch.setenv('SEMICLS_CACHE_GB', '1e-9')
    for s in (32,40,48): ImageCache(df, s, tmp_path/'c')
    assert len(list((tmp_path/'c').iterdir()))==2
    monkeypatch.setenv('SEMICLS_CACHE_GB', str(48*(48**2+32**2+500)/1e9))
    time.sleep(.02); ImageCache(df, 32, tmp_path/'c')
    assert len(list((tmp_path/'c').glob('*.npy')))==2
    os.utime(ImageCache(df, 48, tmp_path/'c').path); time.sleep(.02); ImageCache(df, 33, tmp_path/'c')
    assert sorted(np.load(o).shape[1] for o in (tmp_path/'c').glob('*.npy'))==[33,48] # 32 was used longest ago
    monkeypatch.setenv('SEMICLS_CACHE_GB', 'much')
    with pytest.raises(UserError, match='SEMICLS_CACHE_GB'): ImageCache(df, 50, tmp_path/'c')
    monkeypatch.delenv('SEMICLS_CACHE_GB'); assert cache_gb()==20

def test_leftovers_go_by_age_and_others_files_stay(df, tmp_path):
    c = tmp_path/'c'; c.mkdir()
    old,young = (c/f".{k*24}.npy.99999999-1.tmp" for k in 'ab')
    others = [c/n for n in ('mine.npy','notes.tmp','.mine.npy.1-1.tmp')]
    for p in (old, young, *others): p.write_bytes(b'x'*100)
    for p in (old, *others): os.utime(p, (1,1))
    ImageCache(df, 32, c, max_gb=0)
    assert not old.exists() and young.exists() and all(p.exists() for p in others) # the young one may be another machine's

# ---- what is drawn

@pytest.mark.parametrize('workers', [0,2])
def test_without_balance_each_image_is_drawn_once(df, tmp_path, workers):
    dls = make_dls(df, ImageCache(df, 32, tmp_path/'c'), bs=10, balanced=False, device='cpu', num_workers=workers)
    def draw(*key):
        seed_epoch(dls, *key)
        xs,ys = zip(*dls.train)
        return torch.cat(xs),torch.cat(ys)
    x,y = draw(0,1)
    assert len(dls.train)==3 and len(x)==30 and len(torch.unique(x.flatten(1), dim=0))==30 # of 32: the last two fill no batch
    assert 6<=int(y.sum())<=8 and (df.label[df.split=='train']=='defect').sum()==8
    again,other = draw(0,1)[0],draw(0,2)[0]
    assert torch.equal(x, again) and not torch.equal(x, other)

def test_with_balance_the_classes_come_one_to_one(df, tmp_path):
    dls = make_dls(df, ImageCache(df, 32, tmp_path/'c'), bs=10, device='cpu')
    set_seed(0)
    assert .42<torch.cat([y for _ in range(20) for _,y in dls.train]).float().mean()<.58

def test_zoom_keeps_the_middle():
    x = torch.zeros(50,1,33,33); x[:,:,16,16] = 1
    set_seed(0)
    y = next(t for t in batch_augs(1.) if type(t).__name__=='Zoom')(TensorImage(x), split_idx=0)
    assert (y.flatten(1).argmax(1)==16*33+16).all() and (y[:,0,16,16]>.99).all()

# ---- weights

@pytest.mark.parametrize('arch,ext', [('alexnet','safetensors'), ('alexnet','pth'), ('resnet50','safetensors'), ('densenet169','safetensors'), ('efficientnet_b5','pth')])
def test_weights_of_torchvision_by_file(arch, ext, tmp_path):
    sd,p = getattr(torchvision.models, arch)().state_dict(),tmp_path/f'w.{ext}'
    (save_file if ext=='safetensors' else torch.save)(sd, p)
    body = Body(arch)
    assert load_pretrained(body, arch, p)==p.name
    p.unlink() # large
    ours,theirs = ([v for v in o.values() if v.ndim==4] for o in (body.state_dict(), sd))
    assert len(ours)==len(theirs) and all(map(torch.equal, ours, theirs))

def test_names_of_others_need_the_order_of_a_pth(tmp_path):
    save_file(torchvision.models.efficientnet_b0().state_dict(), tmp_path/'w.safetensors') # sorted by name
    with pytest.raises(UserError, match='does not fit.*paired by order.*try the .pth'): load_pretrained(Body('tf_efficientnet_b0'), 'tf_efficientnet_b0', tmp_path/'w.safetensors')

def test_only_backbones_with_positions_have_one_size():
    assert [fixed_size(a) for a in ('vit_tiny_patch16_224','swin_tiny_patch4_window7_224','swinv2_tiny_window8_256')]==[224,224,256]
    assert {fixed_size(a) for a in ('alexnet','resnet50','efficientnet_lite0','efficientnet_b7','convnext_tiny')}=={None}
    with pytest.raises(UserError, match='no such architecture'): fixed_size('resnt50')
