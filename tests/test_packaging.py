"What a person gets who installs the package instead of cloning it"
import subprocess, sys, sysconfig, venv, zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

def test_installed_copy_works_without_the_checkout(tmp_path):
    src = tmp_path/'src'
    subprocess.run(['git','clone','-q',str(ROOT),str(src)], check=True)
    subprocess.run([sys.executable,'-m','pip','wheel','-q','--no-deps','--no-build-isolation','-w',str(tmp_path),str(src)], check=True)
    wheel = next(tmp_path.glob('*.whl'))
    names = zipfile.ZipFile(wheel).namelist()
    assert 'semiconductor_cls/all.py' in names and not any(n.startswith(('tests','nbs','data')) for n in names)
    meta = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith('METADATA'))).decode()
    assert 'Provides-Extra: demo' in meta and 'Provides-Extra: dev' in meta and 'Requires-Dist: fastai<2.8.8,>=2.8.7' in meta.replace(' ', ' ')
    venv.create(tmp_path/'env', with_pip=False) # its packages come from this environment, the project from the wheel
    py = tmp_path/'env/bin/python'
    site = Path(subprocess.run([py,'-c','import sysconfig; print(sysconfig.get_paths()["purelib"])'], capture_output=True, text=True, check=True).stdout.strip())
    subprocess.run([sys.executable,'-m','pip','--python',str(py),'install','-q','--no-deps','--no-index',str(wheel)], check=True)
    (site/'deps.pth').write_text(sysconfig.get_paths()['purelib']+'\n')
    r = subprocess.run([tmp_path/'env/bin/semicls','--help'], cwd=tmp_path, capture_output=True, text=True)
    assert r.returncode==0 and 'semicls train elpv' in r.stdout, r.stderr
    r = subprocess.run([py,'-W','ignore','-c','from semiconductor_cls.all import *; import semiconductor_cls; print(semiconductor_cls.__file__, train_job, QUICK.arch)'],
                       cwd=tmp_path, capture_output=True, text=True)
    assert r.returncode==0 and str(site) in r.stdout, r.stderr
