"README.md from nbs/index.ipynb, without Quarto: `python .ci/readme.py`; a test compares the two by `render()`"
import re
from pathlib import Path
import nbformat

ROOT = Path(__file__).resolve().parent.parent

def render():
    "Markdown of the index notebook: prose, code, and text outputs; paths of pictures seen from the top"
    parts = []
    for c in nbformat.read(ROOT/'nbs/index.ipynb', as_version=4).cells:
        if c.source.startswith('#| hide'): continue
        src = '\n'.join(l for l in c.source.splitlines() if not l.startswith('#|'))
        if c.cell_type=='markdown': parts.append(re.sub(r'\]\((images/|experiments/|\d\d_)', r'](nbs/\1', src))
        elif src: parts.append(f'```python\n{src}\n```')
        for o in c.get('outputs', []):
            text = o.get('text') or o.get('data', {}).get('text/markdown') or o.get('data', {}).get('text/plain')
            if text: parts.append('    ' + ''.join(text).rstrip().replace('\n', '\n    '))
    return '<!-- made from nbs/index.ipynb by make readme; do not edit -->\n\n' + '\n\n'.join(parts) + '\n'

if __name__=='__main__': (ROOT/'README.md').write_text(render(), encoding='utf-8')
