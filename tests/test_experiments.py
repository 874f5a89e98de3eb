"The grid of experiments: what is trained, what a row says, and that every notebook runs on tiny stand-ins"
import os, subprocess, sys
from pathlib import Path
import nbformat, pandas as pd, pytest

HERE = Path(__file__).resolve().parent.parent/'nbs/experiments'
sys.path.insert(0, str(HERE))
import read, run

def grid(): return run.read_grid(HERE/'grid.csv')

def test_seeds_in_words():
    assert run.parse_seeds('0-4')==[0,1,2,3,4]
    assert run.parse_seeds('2')==[2] and run.parse_seeds('1,5')==[1,5]

def test_the_same_training_in_two_experiments_is_one():
    assert run.run_name('elpv', 'quick', 'a=1 b=2', 3)==run.run_name('elpv', 'quick', 'b=2 a=1', 3)
    assert run.run_name('elpv', 'quick', 'a=1', 3)!=run.run_name('elpv', 'quick', 'a=2', 3)
    rows = grid()
    assert rows.run.nunique()<len(rows)

def test_arms_of_an_experiment_share_splits_and_seeds():
    for name,rows in grid().groupby('experiment'):
        assert rows.groupby('arm').seed.agg(tuple).nunique()==1, name
        assert rows.groupby('arm').size().min()>=3, name

def test_every_row_of_the_results_names_a_command_that_the_grid_would_give():
    results = pd.read_csv(HERE/'results.csv')
    assert results.run.is_unique and results.value.between(results.lower, results.upper).all()
    for row in grid().drop_duplicates('run').merge(results[['run','command','threads']], on='run').to_dict('records'):
        words = run.command_of(row, 'runs')[:-4]
        assert row['command']==f"OMP_NUM_THREADS={row['threads']} {' '.join(words)}"

def test_scores_of_every_run_are_kept_and_give_its_auc():
    from semiconductor_cls.auc import auc_ci
    scores,results = pd.read_parquet(HERE/'scores.parquet'),pd.read_csv(HERE/'results.csv')
    for row in results.itertuples():
        test = scores[scores[f'set_{row.split_seed}']=='test']
        assert len(test)==row.n_good+row.n_defect
        assert abs(auc_ci(test.label=='defect', test[row.run])[0]-row.value)<1e-6

def test_claims_speak_of_arms_that_are_there():
    claims = pd.read_csv(HERE/'claims.csv')
    arms = {(o.experiment, o.arm) for o in grid().itertuples()}
    made = {('08_ensemble', o) for o in (*read.COMMITTEES, 'best on validation')}
    for side in ('arm','base'): assert set(zip(claims.experiment, claims[side])) <= arms|made
    assert not claims.duplicated(['experiment','claim']).any()

def test_a_committee_is_the_mean_of_its_members(tmp_path, monkeypatch):
    ids = [f'i{i}' for i in range(8)]
    scores = pd.DataFrame(dict(label=['good','defect']*4, set_0=['valid']*4+['test']*4), index=pd.Index(ids, name='id'))
    scores['a'] = [.1,.9,.2,.8,.1,.4,.3,.2]
    scores['b'] = [.9,.1,.8,.2,.2,.9,.1,.6]
    scores.to_parquet(tmp_path/'scores.parquet')
    pd.DataFrame(dict(run=['a','b'], split_seed=0)).to_csv(tmp_path/'results.csv', index=False)
    monkeypatch.setattr(read, 'DATA', tmp_path)
    assert read.mean_scores(['a','b']).score.tolist()==pytest.approx([.5,.5,.5,.5,.15,.65,.2,.4])
    monkeypatch.setattr(read, 'COMMITTEES', {'three lites':['x','y']})
    members = pd.DataFrame(dict(arm=['x','y'], run=['a','b'], seed=0, split_seed=0, value=[.5,1.]))
    found = read.committees_of(members).set_index('arm').value
    assert found['three lites']==1. and found['best on validation']==.75 # a is right on validation, and half right on test

def test_the_readme_shows_the_claims_as_they_are():
    assert read.all_claims().replace('](experiments/', '](nbs/experiments/') in (HERE.parent.parent/'README.md').read_text()

@pytest.mark.slow
def test_every_notebook_runs_on_stand_ins(tmp_path):
    words = [sys.executable, str(HERE/'run.py'), '--quick', '--show', '--runs', str(tmp_path), '--out', str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS='1'))
    assert done.returncode==0, done.stderr
    made = sorted(o.name for o in tmp_path.glob('*.ipynb'))
    assert made==sorted(o.name for o in HERE.glob('0*.ipynb'))
    assert all(nbformat.read(tmp_path/o, 4).cells for o in made)
