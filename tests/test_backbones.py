"The study's recipe for each of its backbones: two steps a stage at the native size, and the whole of it, untouched, on sixteen images"
import dataclasses
import numpy as np, pytest
from semiconductor_cls.all import *

@pytest.mark.slow
@pytest.mark.parametrize('arch', STUDY_ARCHS)
def test_two_steps_of_the_study_at_native_size(arch, tmp_path):
    df = synth_folder(tmp_path/'chips', n_good=10, n_defect=10, seed=0)
    df['hash'] = [file_md5(p) for p in df.path]
    df = split_table(df, test=.5, valid=.5)
    df.loc[df.split=='valid', 'split'] = np.where(np.arange((df.split=='valid').sum())%4<2, 'valid', 'test') # few images: b7 is large
    r = dataclasses.replace(PAPER, arch=arch, sizes=(arch_cfg(arch)['size'],), frozen_epochs=1, epochs=1, bs=2)
    steps = []
    learn = fit_recipe(df, r, weights='none', device='cpu', folder=tmp_path/'cache', log=lambda l,row,st,*_: steps.extend(st))
    assert len(steps)>=4 and {o['stage'] for o in steps}=={'frozen','unfrozen'}
    p = predict_rows(learn.model, learn.dls, df.index[df.split=='test'][:2])
    assert p.shape==(2,) and np.isfinite(p).all() and (p>=0).all() and (p<=1).all()
    for i,lr in enumerate(PAPER.lrs): assert .8*lr<max(o[f'lr_{i}'] for o in steps if o['stage']=='unfrozen')<=lr*1.0001 # two steps: the second, at 50 %, is at 0.81 of the peak
    assert [k for k in range(3) if any(p.requires_grad for p in study_splitter(learn.model)[k])]==[0,1,2]

@pytest.mark.slow
@pytest.mark.parametrize('arch', STUDY_ARCHS)
def test_the_recipe_untouched(arch, tmp_path):
    "One step an epoch: 3 + 10 epochs at 128 and at 224 px, and each stage reaches its peak"
    df = synth_folder(tmp_path/'chips', n_good=8, n_defect=8, seed=0)
    df['hash'] = [file_md5(p) for p in df.path]
    r,rows,steps = set_fields(PAPER, [f'arch={arch}']),[],[]
    assert r==dataclasses.replace(PAPER, arch=arch)
    learn = fit_recipe(split_table(df), r, weights='none', device='cpu', folder=tmp_path/'cache', log=lambda l,row,st,*_: (rows.append(row), steps.extend(st)))
    want = [(sz,st,e+1) for sz in (128,224) for st,n in (('frozen',3),('unfrozen',10)) for e in range(n)]
    for seen in (rows, steps): assert [(o['size'],o['stage'],o['epoch']) for o in seen]==want
    for sz in (128,224):
        for stage,peaks in (('frozen',[1e-3]*3),('unfrozen',PAPER.lrs)):
            mine = [o for o in steps if (o['size'],o['stage'])==(sz,stage)]
            for i,lr in enumerate(peaks): assert max(o[f'lr_{i}'] for o in mine)==pytest.approx(lr, rel=.01)
    assert all(np.isfinite(o['loss']) for o in steps) and learn.model[1][4].in_features==2*learn.model[0].num_features
