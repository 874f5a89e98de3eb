"The study's committee: members that are there are taken only where they are of the same job"
import dataclasses, shutil
import numpy as np, pytest
from conftest import tiny
from semiconductor_cls.all import *
from semiconductor_cls.cli import _planned

TINY = tiny(tta='')

def test_members_of_another_number_of_folds_are_not_taken(stub, tmp_path):
    source = tmp_path/'parts'
    stub('c-test_resnet-0')
    with pytest.raises(UserError, match='has 0 folds, not 5'):
        committee_job(source, ['test_resnet'], r=TINY, out=tmp_path/'c', folds=5)
    same_job(tmp_path/'c-test_resnet-0', source, TINY, 0) # not asked, not compared
    stub('d-test_resnet-0', kind='ensemble', folds=5, how='prob', members={'fold0':'fold0'}, weights={'fold0':1.})
    with pytest.raises(UserError, match='has 5 folds, not 0'):
        committee_job(source, ['test_resnet'], r=TINY, out=tmp_path/'d')

def test_a_taken_place_is_refused_before_training(stub, tmp_path):
    stub('c')
    archs = ['test_resnet','resnet34']
    with pytest.raises(UserError, match='--overwrite'):
        committee_job(tmp_path/'nowhere', archs, r=TINY, out=tmp_path/'c')
    assert [o.name for o in tmp_path.iterdir()]==['c']

def test_a_member_of_another_recipe_is_not_taken_for_this_one(stub, tmp_path):
    stub('c-test_resnet-0', np.linspace(0, 1, 40))
    other = tiny(tta='', epochs=20)
    with pytest.raises(UserError, match='another recipe'):
        committee_job(tmp_path/'parts', ['test_resnet'], r=other, out=tmp_path/'c')
    with pytest.raises(UserError, match='was made of'):
        committee_job(tmp_path/'elsewhere', ['test_resnet'], r=TINY, out=tmp_path/'c')

def test_a_member_that_started_from_other_weights_is_not_taken(stub, tmp_path):
    "Random ones, a file; a run that does not tell is taken as before"
    made = dict(r=TINY, out=tmp_path/'c')
    def job(weights): return committee_job(tmp_path/'nowhere', ['test_resnet'], weights=weights, **made)
    for was,now,want in (('none', None, 'from random weights, not from the ImageNet weights'),
                         ('a.pth', 'none', 'from the weights a.pth, not from random weights')):
        stub('c-test_resnet-0', source=str(tmp_path/'nowhere'), weights_given=was)
        with pytest.raises(UserError, match=want): job(now)
        shutil.rmtree(tmp_path/'c-test_resnet-0')
    stub('c-test_resnet-0', source=str(tmp_path/'nowhere'))
    same_job(tmp_path/'c-test_resnet-0', tmp_path/'nowhere', TINY, 0, weights='none')

def test_a_dry_run_refuses_what_the_job_would_and_names_all_that_it_writes(stub, semicls, parts, tmp_path):
    asked = 'committee parts --good ok --defect ng --arch test_resnet --seeds 0,1 --name c --weights none'.split()
    p = semicls(*asked, '--dry-run')
    assert p.returncode==0 and 'would write: runs/c-test_resnet-0, runs/c-test_resnet-1, runs/c\n' in p.out, p.err
    stub('runs/c-test_resnet-0', weights_given='none')
    for more,why in (([], 'c-test_resnet-0: this run was made by another recipe'), (['--folds','1'], '--folds 1: at')):
        p = semicls(*asked, *more, '--dry-run')
        assert p.returncode==1 and why in p.err, p.err
    stub('runs/c')
    p = semicls(*asked, '--dry-run')
    assert p.returncode==1 and 'runs/c: this run exists' in p.err, p.err
    for words,why in (('curve parts --points 7','--points 7: the smallest set'),
                      ('ablate parts --vary split_seed=0,1','decides which images are in the test set'),
                      ('train parts --folds 60 --weights none','60 folds: a class has fewer'),
                      ('committee parts --arch test_resnet --weights none --folds 60','60 folds: a class has fewer'),
                      ('train parts --set test=.999 --weights none','test=0.999'),
                      ('train parts --arch test_resnet','no ImageNet weights')):
        p = semicls(*words.split(), '--good', 'ok', '--defect', 'ng', '--name', 'x', '--dry-run')
        assert p.returncode==1 and why in p.err, p.err

SETS = [('train/good test/good test/dent', 'no defect images to train on'),
        ('train/good train/defect test/good', 'no defect images among the 9 of the test set'),
        ('train/good train/defect valid/good valid/defect test/defect', 'no good images among the 9 of the test set')]

@pytest.mark.parametrize('names,why', SETS, ids=lambda o: o)
def test_sets_that_no_training_could_use_are_refused_before_a_picture_is_read(tmp_path, monkeypatch, names, why):
    for folder in names.split():
        (tmp_path/folder).mkdir(parents=True)
        for i in range(9): (tmp_path/folder/f'{i}.png').touch()
    def nothing(*_): raise AssertionError('a picture is read')
    monkeypatch.setattr('semiconductor_cls.jobs.job.parallel_map', nothing)
    with pytest.raises(UserError, match=why): prepare(tmp_path, TINY)
    with pytest.raises(UserError, match=why): _planned(tmp_path, ('good','defect'), recipes=[TINY])
    assert 'images, read as MVTec' in _planned(tmp_path, ('good','defect'), words=False) # for `eda`

def test_a_finished_committee_is_left_as_it_is(stub, tmp_path):
    "With `resume`; one of other members is refused, and one of other pictures"
    said,archs = [],['test_resnet','test_efficientnet']
    def member(arch, **kw):
        stub(f'c-{arch}-0', recipe=dataclasses.asdict(tiny(tta='', arch=arch)), weights_given='none', **kw)
    for arch in archs: member(arch, fingerprint=None) # there are no pictures to compare them with
    made = ensemble_run([tmp_path/f'c-{arch}-0' for arch in archs], tmp_path/'c')
    kw = dict(r=TINY, out=tmp_path/'c', weights='none', tell=said.append, resume=True)
    assert committee_job(tmp_path/'parts', archs, **kw)['auc']==made['auc'] and 'finished already' in said[-1]
    with pytest.raises(UserError, match='is finished, and not of c-test_resnet-0;'):
        committee_job(tmp_path/'parts', archs[:1], **kw)
    synth_folder(tmp_path/'parts', 30, 20)
    open_run(tmp_path/'c').update(fingerprint='of other pictures')
    with pytest.raises(UserError, match='c: cannot resume, the data have changed since this run was started'):
        committee_job(tmp_path/'parts', archs, **kw)
