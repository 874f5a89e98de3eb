"README.md from nbs/index.ipynb, without Quarto: `python .ci/readme.py`, or as a module `render()` for the test that compares them"
from pathlib import Path
import nbformat

ROOT = Path(__file__).resolve().parent.parent

def render():
    "Markdown of the index notebook: prose, code, and text outputs; paths of pictures seen from the top"
    parts = []
    for c in nbformat.read(ROOT/'nbs/index.ipynb', as_version=4).cells:
        if c.source.startswith('#| hide'): continue
        src = '\n'.join(l for l in c.source.splitlines() if not l.startswith('#|'))
        if c.cell_type=='markdown': parts.append(src.replace('](images/', '](nbs/images/').replace('.ipynb)', '.ipynb)').replace('](0', '](nbs/0'))
        elif src: parts.append(f'```python\n{src}\n```')
        for o in c.get('outputs', []):
            text = o.get('text') or o.get('data', {}).get('text/markdown') or o.get('data', {}).get('text/plain')
            if text: parts.append('    ' + ''.join(text).rstrip().replace('\n', '\n    '))
    return '<!-- made from nbs/index.ipynb by make readme; do not edit -->\n\n' + '\n\n'.join(parts) + '\n'

if __name__=='__main__': (ROOT/'README.md').write_text(render(), encoding='utf-8')
