"Chapters of the docs site: the wings, each with its notebooks in reading order (a hook of mkdocs, see mkdocs.yml)"
import json, re
from pathlib import Path
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = dict(spine='The study', base='Base', jobs='Jobs', line='On the line', station='The station', scale='Scale',
                cli='The command', experiments='Experiments')
PAGES = dict(CONTRIBUTING='The map', CHANGELOG='Changelog', data='Data')

def title(path):
    "The first heading of a notebook"
    first = ''.join(json.loads(path.read_text(encoding='utf-8'))['cells'][0]['source'])
    return re.match(r'# (.+)', first)[1]

def chapter(path):
    "Key of the chapter that a notebook belongs to"
    if path.parent.name=='experiments': return 'experiments'
    wing,dot,_ = path.stem.split('_', 1)[1].partition('.')
    return wing if dot or wing=='cli' else 'spine'

def on_config(config):
    "Set the navigation"
    chapters = {k: [] for k in CHAPTERS}
    for p in sorted((ROOT/'nbs').rglob('*.ipynb')):
        if p.stem=='index' or any(o.startswith('.') for o in p.relative_to(ROOT).parts): continue
        chapters[chapter(p)].append({title(p): p.relative_to(ROOT/'nbs').as_posix()})
    config.nav = [{'Start': 'index.ipynb'}]
    config.nav += [{name: chapters[k]} for k,name in CHAPTERS.items() if chapters[k]]
    config.nav += [{'Project': [{name: f'{k}.md'} for k,name in PAGES.items()]}]
    return config

def on_files(files, config):
    "Bring in the pages that lie outside the notebooks"
    for k in PAGES:
        path = ROOT/('data/README.md' if k=='data' else f'{k}.md')
        files.append(File.generated(config, f'{k}.md', content=path.read_text(encoding='utf-8')))
    return files
