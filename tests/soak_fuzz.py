"""Random bytes for whatever reads a file: pictures, tables, boxes of other tools, archives, until the time is up.
`python tests/soak_fuzz.py MINUTES`; each input is an answer or a refusal in one line, within 20 s and a gigabyte"""
import io, os, random, sys, tempfile, time, traceback
from collections import Counter
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))
from hostile import ODD_TABLES, PACKED, SAME_TABLE, SOME_ARCHIVES, whole
from test_hostile import TooLong, bounded
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.image import ImageError, load_image
from semiconductor_cls.boxes import read_annotation
from semiconductor_cls.line.archives import list_archive
from semiconductor_cls.line.inputs import Reader
from semiconductor_cls.source import check_words, read_as, read_source, say_findings

COCO = b'{"images":[{"id":1,"file_name":"0.png","width":40}],"annotations":[{"image_id":1,"bbox":[1,2,3,4]}]}'
TASKS = b'[{"image":"0.png","label":[{"x":1,"y":2,"width":3,"height":4,"rectanglelabels":["dent"]}]}]'
VOC = b'<annotation><filename>0.png</filename><object><bndbox><xmin>1</xmin></bndbox></object></annotation>'
CVAT = b'<annotations><image name="0.png" width="40"><box xtl="1" ytl="2" xbr="3" ybr="4"/></image></annotations>'
PIECES = [b'', b'\0', b'"', b',', b';', b'\n', b'\r', b'[', b'{', b'<', b'-1', b'1e999', b'NaN', b'null', b'\xff\xfe',
    b'\xef\xbb\xbf',
    b'\x80', b'../', b'=1+1', b'\x1b[2J', b'99999999999', b'A'*5000, b'0.png', b'label', b'path']

def changed(data, rng):
    "A few pieces put in, taken out, doubled, or bits turned"
    b = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at,n = rng.randrange(len(b)+1),rng.randint(1, 20)
        kind = rng.randrange(5)
        if kind==0: b[at:at] = rng.choice(PIECES)
        elif kind==1: del b[at:at+n]
        elif kind==2: b[at:at] = b[at:at+n]
        elif kind==3: b[at:at+n] = rng.choice(PIECES)
        elif b: b[min(at, len(b)-1)] ^= 1<<rng.randrange(8)
    return bytes(b)

def as_picture(data, folder): load_image(io.BytesIO(data), 32, 1)

def as_table(data, folder, name='t.csv'):
    (folder/name).write_bytes(data)
    df = read_source(folder/name)
    check_words(df, name)
    assert '\n' not in read_as(df)+say_findings(df)

def as_tasks(data, folder): as_table(data, folder, 't.json')

def as_boxes(ending):
    def read(data, folder):
        (folder/f't{ending}').write_bytes(data)
        read_annotation(folder/f't{ending}')
    return read

def as_archive(name):
    def read(data, folder):
        (folder/name).write_bytes(data)
        reader = Reader()
        for item in list_archive(folder/name):
            try: load_image(reader(item), 32, 1)
            except ImageError: pass
    return read

def targets(folder):
    "Name → (how it is read, what is changed)"
    tables = [data for data,_ in SAME_TABLE.values()]
    tables += [make(folder) for name,(make,_) in ODD_TABLES.items() if name not in ('pipe','link','ten thousand rows')]
    found = dict(picture=(as_picture, [whole(o) for o in PACKED]), table=(as_table,
    [o for o in tables if len(o)<10_000]),
                 tasks=(as_tasks, [TASKS]), coco=(as_boxes('.json'), [COCO]), xml=(as_boxes('.xml'), [VOC, CVAT]),
                 yolo=(as_boxes('.txt'), [b'0 .5 .5 .1 .1\n']))
    return found | {name:(as_archive(name), [make()]) for name,make in SOME_ARCHIVES.items()}

def once(target, data, folder):
    "What came of one input: 'read', 'refused', or a finding"
    read,_ = target
    try:
        with bounded(folder): read(data, folder)
    except (UserError, ImageError) as e: return 'refused' if '\n' not in str(e) else f'two lines: {e}'
    except (Exception, TooLong) as e: return f'{type(e).__name__}: {traceback.format_exc(limit=-3)}'
    return 'read'

def soak(minutes, seed=0):
    "Counts of (target, outcome); finding → the input that leads to it"
    rng,counts,findings = random.Random(seed),Counter(),{}
    end = time.monotonic()+60*minutes
    with tempfile.TemporaryDirectory() as d:
        folder = Path(os.path.realpath(d))
        all_of = targets(folder)
        while time.monotonic()<end:
            name = rng.choice(list(all_of))
            data = changed(rng.choice(all_of[name][1]), rng)
            outcome = once(all_of[name], data, folder)
            if outcome not in ('read','refused'): findings.setdefault((name, outcome), data)
            counts[name, outcome if outcome in ('read','refused') else 'finding'] += 1
    return counts,findings

if __name__=='__main__':
    counts,findings = soak(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv)>2 else 0)
    for (name,outcome),n in sorted(counts.items()): print(f'{name:10} {outcome:8} {n:8,}')
    for (name,outcome),data in findings.items(): print(f'\n{name}: {outcome}\n{data[:300]!r}')
    print(f'{sum(counts.values()):,} inputs, {len(findings)} findings')
    sys.exit(bool(findings))
