"The study's recipe runs unchanged for each of its backbones: two steps a stage at the native size, and a prediction"
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
    for i,lr in enumerate(PAPER.lrs): assert max(o[f'lr_{i}'] for o in steps if o['stage']=='unfrozen')<=lr*1.0001
    assert [k for k in range(3) if any(p.requires_grad for p in study_splitter(learn.model)[k])]==[0,1,2]
