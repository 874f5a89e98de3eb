"Guards what an installation without a clone brings: the sdist, the wheel made of it, an installed copy"
import os, subprocess, sys, sysconfig, tarfile, venv, zipfile
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parent.parent
ASSETS = '''base/page.css base/page.html line/card.md line/score_script.py py.typed
    station/static/desk.html station/static/station.css station/static/station.js'''.split()

def run(*args, **kw):
    "What a command prints, without this checkout on Python's path"
    env = {k:v for k,v in os.environ.items() if k!='PYTHONPATH'}
    done = subprocess.run([*map(str, args)], capture_output=True, text=True, env=env, **kw)
    assert done.returncode==0, done.stderr
    return done.stdout

@pytest.fixture(scope='module')
def dist(tmp_path_factory):
    "An sdist of the last commit, and the wheel that it gives"
    tmp = tmp_path_factory.mktemp('dist')
    run('git', 'clone', '-q', ROOT, tmp/'src')
    run(sys.executable, '-m', 'build', '--no-isolation', '--sdist', '--outdir', tmp, tmp/'src')
    sdist = next(tmp.glob('*.tar.gz'))
    run(sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w', tmp, sdist)
    return sdist,next(tmp.glob('*.whl'))

def test_sdist_and_wheel_bring_everything(dist):
    sdist,wheel = dist
    packed = {'/'.join(n.split('/')[1:]) for n in tarfile.open(sdist).getnames()}
    installed = set(zipfile.ZipFile(wheel).namelist())
    modules = {f'semiconductor_cls/{p.relative_to(ROOT/"semiconductor_cls").as_posix()}'
               for p in (ROOT/'semiconductor_cls').rglob('*.py')}
    for o in modules | {f'semiconductor_cls/{o}' for o in ASSETS}: assert o in packed and o in installed, o
    assert {'settings.ini','README.md','LICENSE','CHANGELOG.md'} <= packed
    assert not any(n.startswith(('tests','nbs','data')) for n in installed)

def test_metadata_comes_from_settings(dist):
    files = zipfile.ZipFile(dist[1])
    meta = files.read(next(n for n in files.namelist() if n.endswith('METADATA'))).decode()
    for extra in 'demo export explain labels app scale docs dev'.split(): assert f'Provides-Extra: {extra}\n' in meta
    assert 'Requires-Dist: fastai<2.8.8,>=2.8.7' in meta

def test_installed_copy_works_without_the_checkout(dist, tmp_path):
    venv.create(tmp_path/'env', with_pip=False) # its packages come from this environment, the project from the wheel
    py = tmp_path/'env/bin/python'
    site = Path(run(py, '-c', 'import sysconfig; print(sysconfig.get_paths()["purelib"])').strip())
    run(sys.executable, '-m', 'pip', '--python', py, 'install', '-q', '--no-deps', '--no-index', dist[1])
    (site/'deps.pth').write_text(sysconfig.get_paths()['purelib']+'\n')
    assert 'semicls train elpv' in run(tmp_path/'env/bin/semicls', '--help', cwd=tmp_path)
    use = '''import gc; gc.disable() # the libraries stay
from semiconductor_cls.all import *
import semiconductor_cls
print(semiconductor_cls.__file__, train_job, QUICK.arch, write_report)'''
    assert str(site) in run(py, '-W', 'ignore', '-c', use, cwd=tmp_path)
