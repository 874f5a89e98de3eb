"Files in, table out: hostile inputs are answered and never followed, a killed run ends in the same bytes, a watch scores each file once"
import bz2, dataclasses, gzip, io, json, lzma, os, pickle, random, shutil, signal, socket, struct, sys, tarfile, time, zipfile, zlib
from pathlib import Path
import numpy as np, pandas as pd, pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from conftest import part
from semiconductor_cls.base.files import write_json
from semiconductor_cls.base.table import read_csv, unique_ids
from semiconductor_cls.base.run import create_run
from semiconductor_cls import inputs, predict

class Brightness:
    "A scorer that needs no network"
    sizes,channels,name,runtime,key,cuts = [32],1,'stub','stub','stub',(.3,.6)
    def score(self, xs): return xs[32].reshape(len(xs[32]), -1).mean(1)/255

def make_run(path, size=64, seed=0, tta=False):
    "A run with random weights, as training leaves one"
    from fastai.vision.all import imagenet_stats, set_seed
    from semiconductor_cls.learner import create_model, save_model
    from semiconductor_cls.recipe import QUICK
    r = dataclasses.replace(QUICK, sizes=(size,), tta=tta)
    run = create_run(path, recipe=dataclasses.asdict(r), size=size, stats=imagenet_stats, seed=seed)
    set_seed(seed); save_model(create_model(r.arch, r.pool), run/'model.safetensors')
    write_json(run/'metrics.json', dict(threshold=.5)); run.update(status='finished')
    return run

# ---- hostile inputs

def png(w=40, h=30, v=90, mode='L'): return saved(Image.new(mode, (w,h), v))
def saved(im, fmt='PNG', **kw):
    f = io.BytesIO(); im.save(f, fmt, **kw); return f.getvalue()
def noise(fmt, n=90, seed=0): return saved(Image.fromarray(np.random.default_rng(seed).integers(0, 255, (n,n), dtype=np.uint8)), fmt)
def chunk(kind, b): return struct.pack('>I', len(b))+kind+b+struct.pack('>I', zlib.crc32(kind+b))
def png_bomb(n): return b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', struct.pack('>IIBBBBB', n, n, 8, 0, 0, 0, 0))+chunk(b'IDAT', zlib.compress(bytes(1000)))+chunk(b'IEND', b'')
def bmp_bomb(w, h): return b'BM'+struct.pack('<IHHI', 54, 0, 0, 54)+struct.pack('<IiiHHIIiiII', 40, w, h, 1, 24, 0, 0, 0, 0, 0, 0)
def text_bomb():
    b = png(); return b[:33]+chunk(b'zTXt', b'a\0\0'+zlib.compress(bytes(100_000_000), 9))+b[33:]
def exif_turned():
    im = Image.new('L', (40,30), 90); im.paste(200, (0,0,20,30)); e = Image.Exif(); e[274] = 6
    return saved(im, 'JPEG', exif=e)
def tiff_loop(): b = bytearray(saved(Image.new('L', (8,8)), 'TIFF')); n = struct.unpack_from('<I', b, 4)[0]; k = struct.unpack_from('<H', b, n)[0]; struct.pack_into('<I', b, n+2+12*k, n); return bytes(b)
def tiff_far(): return b'II*\0'+struct.pack('<I', 0xfffffff0)
def float_tiff(): return saved(Image.fromarray(np.array([[np.nan,np.inf],[-np.inf,1]], np.float32)), 'TIFF')

def zipped(members, method=zipfile.ZIP_DEFLATED):
    f = io.BytesIO()
    with zipfile.ZipFile(f, 'w', method) as z:
        for n,b in members: z.writestr(n, b)
    return f.getvalue()
def zip_link(): o = zipfile.ZipInfo('l.png'); o.external_attr = 0o120777<<16; return zipped([(o, '../../secret/s.png')])
def zip_encrypted():
    b = bytearray(zipped([('a.png', png())]))
    b[6] |= 1; b[b.index(b'PK\1\2')+8] |= 1
    return bytes(b)
def zip_lies(size):
    "The header promises another size than there is"
    b = bytearray(zipped([('a.bmp', bytes(5_000_000))])); struct.pack_into('<I', b, b.index(b'PK\1\2')+24, size); return bytes(b)
def tarred(members, mode='w'):
    f = io.BytesIO()
    with tarfile.open(fileobj=f, mode=mode) as t:
        for n,b,kind,*pax in members:
            o = tarfile.TarInfo(n); o.type,o.size,o.linkname,o.pax_headers = kind,len(b),'../../secret/s.png',pax[0] if pax else {}
            t.addfile(o, io.BytesIO(b))
    return f.getvalue()
def tar_negative():
    "A size below zero points back at the header: `tarfile` alone goes round for ever"
    b = bytearray(tarred([('ok.png', png(), b'0'), ('a.png', b'', b'0')]))
    b[1024+124:1024+136] = b'\xff'*10+struct.pack('>h', -512)
    b[1024+148:1024+156] = b' '*8; b[1024+148:1024+156] = b'%06o\0 '%sum(b[1024:1536])
    return bytes(b)
def tar_damaged(): b = bytearray(tarred([(f'{i}.png', png(), b'0') for i in range(3)])); b[1024:1040] = b'x'*16; return bytes(b)
def tar_pax_bomb(): # a header of 400 MB in 400 kB
    o = tarfile.TarInfo('x'); o.type,o.size = b'x',400<<20
    return gzip.compress(o.tobuf()+bytes(400<<20), 1)

def write(name, b):
    def make(d): p = Path(os.fsdecode(os.path.join(os.fsencode(d/'in'), os.fsencode(name)))); p.parent.mkdir(parents=True, exist_ok=True); p.write_bytes(b() if callable(b) else b)
    return make
def link(name, to): return lambda d: os.symlink(str(to).replace('SECRET', str(d/'secret')), d/'in'/name)
def fifo(name): return lambda d: os.mkfifo(d/'in'/name)
def sock(d):
    s = socket.socket(socket.AF_UNIX); here = os.getcwd(); os.chdir(d/'in')
    try: s.bind('s.png')
    finally: os.chdir(here); s.close()

OK,SOME = '',' *' # scored; any note
# what is made in `in/`, what is asked for, and the answer: file name → part of its note ('' = scored), or an error's text
CASES = dict(
    zero=(write('z.png', b''), 'in', {'z.png':'zero bytes'}),
    cut_png=(write('c.png', noise('PNG')[:3000]), 'in', {'c.png':'cannot be decoded'}),
    cut_jpg=(write('c.jpg', noise('JPEG')[:200]), 'in', {'c.jpg':'cannot be decoded'}),
    cut_bmp=(write('c.bmp', noise('BMP')[:2000]), 'in', {'c.bmp':'cannot be decoded'}),
    cut_tif=(write('c.tif', noise('TIFF')[:400]), 'in', {'c.tif':SOME}),
    bmp_bomb=(write('b.bmp', bmp_bomb(50_000, 50_000)), 'in', {'b.bmp':'limit'}),
    png_bomb=(write('b.png', png_bomb(50_000)), 'in', {'b.png':'limit'}),
    png_promise=(write('b.png', png_bomb(7_000)), 'in', {'b.png':'cannot be decoded'}),
    big_but_allowed=(write('b.png', lambda: saved(Image.new('L', (7000,7000)))), 'in', {'b.png':OK}),
    bmp_no_height=(write('b.bmp', bmp_bomb(10, 0)), 'in', {'b.bmp':SOME}),
    bmp_negative=(write('b.bmp', bmp_bomb(-5, -5)), 'in', {'b.bmp':SOME}),
    text_bomb=(write('t.png', text_bomb), 'in', {'t.png':'cannot be decoded'}),
    svg=(write('x.png', b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'), 'in', {'x.png':'not a PNG'}),
    html=(write('x.png', b'<html><script>alert(1)</script>'), 'in', {'x.png':'not a PNG'}),
    gif=(write('x.png', saved(Image.new('L', (5,5)), 'GIF')), 'in', {'x.png':'not a PNG'}),
    pickled=(write('x.png', pickle.dumps(print)), 'in', {'x.png':'not a PNG'}),
    zip_called_png=(write('x.png', zipped([('a.png', png())])), 'in', {'x.png':'not a PNG'}),
    eps=(write('x.jpg', b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n'), 'in', {'x.jpg':'not a PNG'}),
    tiff_circle=(write('x.tif', tiff_loop), 'in', {'x.tif':OK}),
    tiff_nowhere=(write('x.tif', tiff_far), 'in', {'x.tif':SOME}),
    deep=(write('x.png', saved(Image.fromarray(np.full((9,9), 30_000, np.uint16)))), 'in', {'x.png':OK}),
    floats=(write('x.tif', float_tiff), 'in', {'x.tif':OK}),
    cmyk=(write('x.jpg', saved(Image.new('CMYK', (9,9)), 'JPEG')), 'in', {'x.jpg':OK}),
    lab=(write('x.tif', saved(Image.new('LAB', (9,9)), 'TIFF')), 'in', {'x.tif':OK}),
    transparent=(write('x.png', saved(Image.new('RGBA', (9,9)))), 'in', {'x.png':OK}),
    bilevel=(write('x.png', saved(Image.new('1', (9,9)))), 'in', {'x.png':OK}),
    animated=(write('x.png', saved(Image.new('L', (9,9)), save_all=True, append_images=[Image.new('L', (9,9), 9)]*3)), 'in', {'x.png':OK}),
    pages=(write('x.tif', saved(Image.new('L', (9,9)), 'TIFF', save_all=True, append_images=[Image.new('L', (9,9), 9)]*3)), 'in', {'x.tif':OK}),
    turned=(write('x.jpg', exif_turned), 'in', {'x.jpg':OK}),
    one_pixel=(write('x.png', png(1, 1)), 'in', {'x.png':OK}),
    thread=(write('x.png', png(1, 9000)), 'in', {'x.png':OK}),
    tail=(write('x.png', png()+b'rubbish'*999), 'in', {'x.png':OK}),
    pipe=(fifo('p.png'), 'in', {'p.png':'neither a file nor a folder'}),
    pipe_named=(fifo('p.png'), 'in/p.png', {'p.png':'neither a file nor a folder'}),
    pipe_list=(fifo('p.txt'), 'in/p.txt', {'p.txt':'neither a file nor a folder'}),
    pipe_zip=(fifo('p.zip'), 'in/p.zip', {'p.zip':'neither a file nor a folder'}),
    socket=(sock, 'in', {'s.png':'neither a file nor a folder'}),
    device=(lambda d: None, '/dev/zero', {'zero':'neither a file nor a folder'}),
    device_link=(link('z.png', '/dev/zero'), 'in', {'z.png':'leads out'}),
    folder=(lambda d: (d/'in/f.png').mkdir(), 'in', {'f.png':'directory'}),
    link_out=(link('l.png', 'SECRET/s.png'), 'in', {'l.png':'leads out'}),
    link_up=(link('l.png', '../secret/s.png'), 'in', {'l.png':'leads out'}),
    link_folder_out=(link('more', 'SECRET'), 'in', {'more':'leads out'}),
    link_to_link=(lambda d: (link('a', '../secret')(d), link('l.png', 'a/s.png')(d)), 'in', {'a':'leads out', 'l.png':'leads out'}),
    link_round=(link('l.png', 'l.png'), 'in', {'l.png':SOME}),
    link_dangling=(link('l.png', 'gone'), 'in', {'l.png':'dangling'}),
    link_inside=(lambda d: (write('a.png', png())(d), link('l.png', 'a.png')(d), link('round', '.')(d)), 'in', {'a.png':OK, 'l.png':OK}),
    sibling_prefix=(lambda d: ((d/'in2').mkdir(), (d/'in2/s.png').write_bytes(png()), link('l.png', '../in2/s.png')(d)), 'in', {'l.png':'leads out'}),
    newline=(write('a\nb.png', png()), 'in', {'a\nb.png':OK}),
    quotes=(write('a"b\',.png', png()), 'in', {'a"b\',.png':OK}),
    tab_and_return=(write('\ta\r.png', png()), 'in', {'\ta\r.png':OK}),
    formulas=(lambda d: [write(f'{c}cmd|x.png', png())(d) for c in "=+-@'"], 'in', {f'{c}cmd|x.png':OK for c in "=+-@'"}),
    option=(write('--help.png', png()), 'in', {'--help.png':OK}),
    no_unicode=(write(b'\xff\xfe\x80.png', png()), 'in', {os.fsdecode(b'\xff\xfe\x80.png'):OK}),
    right_to_left=(write('\u202egnp.png', png()), 'in', {'\u202egnp.png':OK}),
    escapes=(write('\x1b[2J\x07.png', b''), 'in', {'\x1b[2J\x07.png':'zero bytes'}),
    long_name=(write('n'*251+'.png', png()), 'in', {'n'*251+'.png':OK}),
    too_long=(lambda d: None, 'n'*300+'.png', 'no such file'),
    brackets=(write('[a]*?.png', png()), 'in/[a]*?.png', {'[a]*?.png':OK}),
    dots=(lambda d: [write(n, png())(d) for n in ('a.png','a.bmp','a.png.png')], 'in', {'a.png':OK, 'a.bmp':OK, 'a.png.png':OK}),
    zip_up=(write('a.zip', zipped([('../up.png', png()), ('a/../../up.png', png()), ('ok.png', png())])), 'in/a.zip', {'a.zip/../up.png':'leads out', 'a.zip/a/../../up.png':'leads out', 'a.zip/ok.png':OK}),
    zip_absolute=(write('a.zip', zipped([('/etc/x.png', png()), ('C:/x.png', png()), ('..\\x.png', png())])), 'in/a.zip', {'a.zip//etc/x.png':'leads out', 'a.zip/C:/x.png':'leads out', 'a.zip/..\\x.png':'leads out'}),
    zip_link=(write('a.zip', zip_link), 'in/a.zip', {'a.zip/l.png':'a link'}),
    zip_encrypted=(write('a.zip', zip_encrypted), 'in/a.zip', {'a.zip/a.png':'encrypted'}),
    zip_bzip2=(write('a.zip', zipped([('a.bmp', bytes(9**6))], zipfile.ZIP_BZIP2)), 'in/a.zip', {'a.zip/a.bmp':'packed by method 12'}),
    zip_lzma=(write('a.zip', zipped([('a.bmp', bytes(9**6))], zipfile.ZIP_LZMA)), 'in/a.zip', {'a.zip/a.bmp':'packed by method 14'}),
    zip_says_less=(write('a.zip', lambda: zip_lies(100)), 'in/a.zip', {'a.zip/a.bmp':SOME}),
    zip_says_more=(write('a.zip', lambda: zip_lies(2**32-2)), 'in/a.zip', {'a.zip/a.bmp':'over the limit'}),
    zip_ratio=(write('a.zip', lambda: zipped([(f'{i}.bmp', bytes(1_000_000)) for i in range(20)])), 'in/a.zip', {'a.zip/0.bmp':'not a PNG', 'a.zip/19.bmp':'unpacks to more'}),
    zip_in_zip=(write('a.zip', zipped([('b.zip', zipped([('c.png', png())])), ('t.tar.gz', b'')])), 'in/a.zip', {'a.zip/b.zip':'archive in an archive', 'a.zip/t.tar.gz':'archive in an archive'}),
    zip_twice=(write('a.zip', zipped([('a.png', png()), ('a.png', png(v=9))])), 'in/a.zip', {'a.zip/a.png':'several members'}),
    zip_cut=(write('a.zip', zipped([('a.png', png())])[:-30]), 'in/a.zip', {'a.zip':'not readable as an archive'}),
    zip_damaged=(write('a.zip', lambda: zipped([('a.png', png())]).replace(b'IHDR', b'JHDR')), 'in/a.zip', {'a.zip/a.png':OK}),
    zip_crc=(write('a.zip', lambda: zipped([('a.png', png())], zipfile.ZIP_STORED).replace(b'IHDR', b'JHDR')), 'in/a.zip', {'a.zip/a.png':'cannot be read from the archive'}),
    zip_odd_names=(write('a.zip', zipped([('=1+1.png', png()), ('a\nb.png', png()), ('芯.png', png())])), 'in/a.zip', {'a.zip/=1+1.png':OK, 'a.zip/a\nb.png':OK, 'a.zip/芯.png':OK}),
    zip_empty=(write('a.zip', zipped([])), 'in/a.zip', 'no images in this archive'),
    zip_is_tar=(write('a.zip', tarred([('a.png', png(), b'0')])), 'in/a.zip', {'a.zip':'not readable as an archive'}),
    zip_is_folder=(write('a.zip/a.png', png()), 'in/a.zip', {'a.zip/a.png':OK}),
    tar_links=(write('a.tar', tarred([('s.png', b'', b'2'), ('h.png', b'', b'1'), ('d.png', b'', b'3'), ('f.png', b'', b'6'), ('ok.png', png(), b'0')])), 'in/a.tar',
               {'a.tar/s.png':'a link', 'a.tar/h.png':'a link', 'a.tar/d.png':'a device', 'a.tar/f.png':'a device', 'a.tar/ok.png':OK}),
    tar_up=(write('a.tar', tarred([('../up.png', png(), b'0'), ('/abs.png', png(), b'0')])), 'in/a.tar', {'a.tar/../up.png':'leads out', 'a.tar//abs.png':'leads out'}),
    tar_back=(write('a.tar', tar_negative), 'in/a.tar', {'ok.png':OK, 'a.tar':'a size below zero'}),
    tar_damaged=(write('a.tar', tar_damaged), 'in/a.tar', {'0.png':OK, 'a.tar':'to its end'}),
    tar_no_end=(write('a.tar', tarred([('a.png', png(), b'0')])[:1024]), 'in/a.tar', {'a.png':OK, 'a.tar':'to its end'}),
    tar_header_bomb=(write('a.tgz', tar_pax_bomb), 'in/a.tgz', {'a.tgz':'not readable as an archive'}),
    tar_bomb=(write('a.tgz', lambda: tarred([('a.bmp', bytes(30_000_000), b'0'), ('b.png', png(), b'0')], 'w:gz')), 'in/a.tgz', {'a.tgz/a.bmp':'unpacks to more', 'a.tgz':'not readable as an archive to its end'}),
    tar_cut=(write('a.tar.gz', lambda: tarred([('a.png', noise('PNG'), b'0'), ('b.png', noise('PNG', seed=1), b'0')], 'w:gz')[:9000]), 'in/a.tar.gz', {'a.tar.gz/a.png':OK, 'a.tar.gz':'to its end'}),
    tar_xz=(write('a.tar.xz', lambda: lzma.compress(tarred([('a.png', png(), b'0')]))), 'in/a.tar.xz', {'a.tar.xz/a.png':OK}),
    tar_bz2=(write('a.tbz2', lambda: bz2.compress(tarred([('a.png', png(), b'0')]))), 'in/a.tbz2', {'a.tbz2/a.png':OK}),
    tar_rubbish=(write('a.tar.bz2', b'BZh9'+os.urandom(99)), 'in/a.tar.bz2', {'a.tar.bz2':'not readable as an archive'}),
    tar_zero_byte=(write('a.tar', lambda: tarred([('x', png(), b'0', {'path':'a\0b.png'})])), 'in/a.tar', {'a.tar/a\0b.png':OK}),
    list_missing=(write('l.txt', b'gone.png\n../nowhere/x.png\nhttp://localhost/x.png\n'), 'in/l.txt', {'gone.png':'no such file', 'x.png':'no such file'}),
    list_system=(write('l.txt', b'/dev/zero\n/proc/self/environ\n/etc\n'), 'in/l.txt', {'/dev/zero':'neither a file', 'environ':'zero bytes', '/etc':'directory'}),
    list_of_itself=(write('l.txt', b'l.txt\n'), 'in/l.txt', {'l.txt':'not a PNG'}),
    list_bytes=(write('l.txt', b'\xff\xfe\0\x01.png\n'), 'in/l.txt', {os.fsdecode(b'\xff\xfe\0\x01.png'):SOME}),
    list_long=(write('l.txt', b'x'*100_000+b'.png\n'), 'in/l.txt', {'x.png':SOME}),
    list_windows=(lambda d: (write('a.png', png())(d), write('l.txt', b'\xef\xbb\xbfa.png\r\n\r\na.png\r\n')(d)), 'in/l.txt', {'a.png':OK}),
    list_empty=(write('l.txt', b'\n\n'), 'in/l.txt', 'no paths in this list'),
    csv_formula=(lambda d: (write('=1.png', png())(d), write('l.csv', b"id,path\n1,'=1.png\n")(d)), 'in/l.csv', {'=1.png':OK}),
    csv_no_path=(write('l.csv', b'a,b\n1,2\n'), 'in/l.csv', "no column 'path'"),
    csv_rubbish=(write('l.csv', b'path\n"a.png\n\0\n'), 'in/l.csv', {}),
    csv_huge=(write('l.csv', b'path\n"'+b'x'*200_000+b'"\n'), 'in/l.csv', 'not readable as a list'),
    nowhere=(lambda d: None, 'in/nowhere', 'no such file'),
    no_match=(lambda d: None, 'in/*.png', 'no such file'),
    nothing=(lambda d: None, 'in', 'no images in this folder'),
)

opened,watching = [],[]
sys.addaudithook(lambda event, args: opened.append(args) if event=='open' and watching else None)

@pytest.mark.parametrize('name', CASES)
def test_hostile_input_is_answered(name, tmp_path, monkeypatch, capsys):
    from semiconductor_cls.cli import main
    make,ask,want = CASES[name]
    for d in ('in','secret'): (tmp_path/d).mkdir()
    (tmp_path/'secret/s.png').write_bytes(png())
    make(tmp_path)
    if 'ratio' in name or name=='tar_bomb': monkeypatch.setattr(inputs, 'MIN_TOTAL', 5_000_000)
    before = {p for p in tmp_path.rglob('*')}
    monkeypatch.chdir(tmp_path); monkeypatch.setattr(predict, 'open_scorer', lambda *_: Brightness())
    monkeypatch.setattr('sys.argv', ['semicls','predict','stub',ask,'--out','out/o.csv'])
    opened.clear(); watching.append(1)
    with pytest.raises(SystemExit) as e: main()
    watching.clear()
    err = capsys.readouterr().err
    assert 'Traceback' not in err
    touched = [(os.path.abspath(os.fsdecode(p)), f) for p,_,f in opened if isinstance(p, (str,bytes,os.PathLike))]
    assert not any('/secret/' in p for p,_ in touched), 'read what is outside'
    assert all(p.startswith(str(tmp_path/'out')) for p,f in touched if f&(os.O_WRONLY|os.O_RDWR|os.O_CREAT)), 'wrote outside'
    new = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob('*') if p not in before}
    if isinstance(want, str):
        assert e.value.code==1 and want in err and len(err.splitlines())==1 and new==set()
        return
    assert new=={'out','out/o.csv'}
    df = read_csv(tmp_path/'out/o.csv')
    assert df.columns.tolist()==predict.PRED_COLS and df.id.is_unique and df.path.is_unique and len(df)
    assert e.value.code==(3 if df.p_defect.isna().any() else 0)
    assert (df.p_defect.isna()==df.note.notna()).all() and (df.p_defect.isna()==df.decision.isna()).all()
    for path,part_of_note in want.items():
        row = df[df.path.str.endswith(path)]
        assert len(row), (path, df.path.tolist())
        assert all(n is None if part_of_note==OK else n and (part_of_note==SOME or part_of_note in n) for n in row.note), row.note.tolist()

def test_many_hostile_inputs(): assert len(CASES)>=50

@pytest.mark.parametrize('args,want', [
    (['in','--out','o.txt'], 'has to end in .csv or .parquet'), (['in','--out','in'], 'has to end in'), (['in','--out','d.csv'], 'is a folder'), (['in/l.csv','--out','in/l.csv'], 'is one of the inputs'),
    (['in','--out','o.parquet','--submission'], 'a submission is a .csv'), (['in','--out','o.csv','--engine','magic'], 'one of auto, torch, export'), (['in','--out','o.csv','--engine','export'], 'semicls export'),
    (['--out','o.csv'], 'give the images'), (['in','--watch','in','--out','o.csv'], '--watch takes no further images'), (['--watch','in','--out','o.parquet'], 'has to end in .csv'),
    (['--watch','gone','--out','o.csv'], 'no such folder'), (['--watch','in','--out','in/l.csv'], 'not a table of scores'), (['--watch','in','--settle','0','--out','o.csv'], '--settle'), (['in'], 'out')])
def test_mistakes_cost_one_line_and_leave_nothing(args, want, tmp_path, monkeypatch, capsys):
    from semiconductor_cls.cli import main
    write('a.png', png())(tmp_path); write('l.csv', b'path\na.png\n')(tmp_path); (tmp_path/'d.csv').mkdir(); make_stub(tmp_path/'stub')
    before = {p:p.stat().st_mtime_ns for p in tmp_path.rglob('*') if p.is_file()}
    monkeypatch.chdir(tmp_path); monkeypatch.setattr("semiconductor_cls.committee.TorchScorer", lambda run: Brightness()); monkeypatch.setattr('sys.argv', ['semicls','predict','stub',*args])
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err
    assert e.value.code in (1,2) and want in err and len(err.splitlines())==1
    assert {p:p.stat().st_mtime_ns for p in tmp_path.rglob('*') if p.is_file()}==before

def make_stub(path): create_run(path); write_json(path/'metrics.json', dict(threshold=.5))

def test_a_picture_scores_alike_however_it_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(predict, 'open_scorer', lambda *_: Brightness())
    write('upright.png', saved(Image.open(io.BytesIO(exif_turned())).convert('L').rotate(-90, expand=True)))(tmp_path)
    write('turned.jpg', exif_turned())(tmp_path)
    im = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50,60), dtype=np.uint8))
    for n,o in dict(a=im, b=im.convert('RGB'), c=im.convert('P')).items(): write(f'{n}.png', saved(o))(tmp_path)
    (tmp_path/'m.zip').write_bytes(zipped([('d.png', saved(im))])); (tmp_path/'m.tgz').write_bytes(tarred([('e.png', saved(im), b'0')], 'w:gz'))
    predict.predict_table('stub', [tmp_path/'in', tmp_path/'m.zip', tmp_path/'m.tgz'], tmp_path/'o.csv')
    p = read_csv(tmp_path/'o.csv').set_index('id').p_defect
    assert p[list('abcde')].nunique()==1 and abs(p['upright']-p['turned'])<.01
    assert predict.score_images(Brightness(), [im, io.BytesIO(saved(im)), str(tmp_path/'in/a.png')]).p_defect.nunique()==1

@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(['a','b','a/b','/a']), st.sampled_from(['x.png','x.bmp','y.png','x','x.y.png'])), unique=True, min_size=1))
def test_ids_of_a_long_list_are_those_of_a_short_one(files):
    paths = ['/'.join(o) for o in files]
    assert list(inputs.iter_ids(paths))==unique_ids(paths)

def test_contest_layout_submission_parquet_and_look(tmp_path, monkeypatch):
    scorer = Brightness(); monkeypatch.setattr(predict, 'open_scorer', lambda *_: scorer)
    for d in ('train/train_contest/good_all','train/train_contest/defect'): part(tmp_path/'c'/d/'x.bmp', 0, 0)
    for i,v in enumerate((10,100,250)): (tmp_path/'c/test/test_contest/test').mkdir(parents=True, exist_ok=True); (tmp_path/f'c/test/test_contest/test/{i}.bmp').write_bytes(saved(Image.new('L', (9,9), v), 'BMP'))
    n = predict.predict_table('stub', [tmp_path/'c'], tmp_path/'s.csv', submission=True)
    assert (n['pass'],n['look'],n['reject'],n['files'])==(1,1,1,3)
    sub = pd.read_csv(tmp_path/'s.csv', dtype={'id':str})
    assert sub.columns.tolist()==['id','defect_score'] and sub.id.tolist()==['0','1','2']
    predict.predict_table('stub', [tmp_path/'c'], tmp_path/'s.parquet')
    df = pd.read_parquet(tmp_path/'s.parquet')
    assert df.columns.tolist()==predict.PRED_COLS and df.decision.tolist()==['pass','look','reject'] and np.allclose(df.p_defect, sub.defect_score)

# ---- killed and gone on with

def many(folder, n):
    "Some drawn parts under `n` names, and a broken one"
    for i in range(20): part(folder/f'{i:05d}.png', i%4==0, i)
    for i in range(20, n): shutil.copyfile(folder/f'{i%20:05d}.png', folder/f'{i:05d}.png')
    (folder/'00033x.png').write_bytes(b'no image')

def wait_for(cond, p, s=120):
    end = time.monotonic()+s
    while time.monotonic()<end and p.poll() is None:
        if cond(): return
        time.sleep(.02)
    p.kill(); pytest.fail(str(p.communicate()))

def lines(path): return path.read_bytes().count(b'\n') if path.exists() else 0

def test_killed_and_started_again_ends_in_the_same_bytes(semicls, tmp_path):
    make_run(tmp_path/'run', 48); many(tmp_path/'in', 1500)
    whole = semicls('predict', 'run', 'in', '--out', 'whole.csv')
    assert whole.returncode==3 and '1,501 files' in whole.err and 'images/s' in whole.err, whole.err
    j = tmp_path/'.killed.csv.journal'
    p = semicls('predict', 'run', 'in', '--out', 'killed.csv', wait=False)
    wait_for(lambda: lines(j)>=3, p)
    p.send_signal(signal.SIGSTOP) # it stands still while another one tries
    second = semicls('predict', 'run', 'in', '--out', 'killed.csv')
    assert second.returncode==1 and 'another semicls predict' in second.err
    p.send_signal(signal.SIGKILL); p.communicate()
    assert p.returncode==-signal.SIGKILL and not (tmp_path/'killed.csv').exists()
    again = semicls('predict', 'run', 'in', '--out', 'killed.csv')
    assert again.returncode==3 and 'had been scored before' in again.err, again.err
    assert (tmp_path/'killed.csv').read_bytes()==(tmp_path/'whole.csv').read_bytes() and not j.exists()
    df = read_csv(tmp_path/'whole.csv')
    assert len(df)==1501 and df.path.is_unique and df.note.notna().sum()==1

@pytest.mark.slow
def test_killed_at_random_moments(semicls, tmp_path):
    make_run(tmp_path/'run', 128); many(tmp_path/'in', 1500)
    (tmp_path/'in.tgz').write_bytes(tarred([(f'{i}.png', (tmp_path/f'in/{i:05d}.png').read_bytes(), b'0') for i in range(300)], 'w:gz'))
    args = ['predict','run','in','in.tgz','--out']
    start = time.monotonic(); semicls(*args, 'whole.parquet'); length = time.monotonic()-start
    rng,kills = random.Random(0),0
    for i in range(30):
        p = semicls(*args, 'killed.parquet', wait=False)
        time.sleep(length*rng.uniform(.3, .8))
        if p.poll() is not None: break
        p.send_signal(signal.SIGKILL); p.communicate(); kills += 1
        if (tmp_path/'killed.parquet').exists(): break
        if i==8: semicls(*args, 'killed.parquet'); break
    p.communicate()
    assert kills>=3 and (tmp_path/'killed.parquet').read_bytes()==(tmp_path/'whole.parquet').read_bytes()

def test_what_changed_while_it_was_dead_is_scored_anew(tmp_path, monkeypatch):
    class Once(Brightness):
        left = 3
        def score(self, xs):
            if not self.left: raise KeyboardInterrupt
            self.left -= 1
            return super().score(xs)
    many(tmp_path/'in', 200)
    monkeypatch.setattr(predict, 'open_scorer', lambda *_: Once())
    with pytest.raises(KeyboardInterrupt): predict.predict_table('stub', [tmp_path/'in'], tmp_path/'o.csv')
    (tmp_path/'in/00040.png').unlink(); (tmp_path/'in/00040.png').write_bytes(png(v=255))
    monkeypatch.setattr(predict, 'open_scorer', lambda *_: Brightness())
    said = []
    predict.predict_table('stub', [tmp_path/'in'], tmp_path/'o.csv', tell=said.append)
    assert '64 of 201 files' in said[-1]
    predict.predict_table('stub', [tmp_path/'in'], tmp_path/'new.csv')
    assert (tmp_path/'o.csv').read_bytes()==(tmp_path/'new.csv').read_bytes()

# ---- watching

def test_watch_scores_each_file_once_over_kills(semicls, tmp_path):
    make_run(tmp_path/'run', 32); d = tmp_path/'in'; d.mkdir(); out = tmp_path/'o.csv'
    def start():
        p = semicls('predict', 'run', '--watch', 'in', '--settle', '.5', '--out', 'o.csv', wait=False)
        wait_for(lambda: 'watching' in p.stderr.readline(), p)
        return p
    def rows(): return lines(out)-1
    for n in ('a.png','b.png'): part(d/n, 0, 1)
    p = start(); wait_for(lambda: rows()>=2, p)
    whole = (d/'a.png').read_bytes()
    (d/'.hidden.png').write_bytes(whole); (d/'x.tmp.png').write_bytes(whole); (d/'notes.txt').write_text('x')
    with open(d/'slow.png', 'wb') as f:   # comes in pieces
        for i in range(0, len(whole), len(whole)//5+1): f.write(whole[i:i+len(whole)//5+1]); f.flush(); time.sleep(.3)
    wait_for(lambda: rows()>=3, p)
    p.send_signal(signal.SIGKILL); p.communicate()
    with open(out, 'ab') as f: f.write(b'torn,"half a row')
    (d/'sub').mkdir(); part(d/'sub/a.png', 1, 2); (d/'zero.png').write_bytes(b'')
    p = start(); wait_for(lambda: rows()>=5, p)
    p.send_signal(signal.SIGINT); _,err = p.communicate(timeout=30)
    assert p.returncode==3 and '2 files scored' in err and 'Traceback' not in err # 3: one of them is broken
    df = read_csv(out)
    assert df.id.tolist()[:2]==['a','b'] and set(df.id)=={'a','b','slow','sub/a','zero'} and df.path.is_unique
    assert df.note.notna().tolist()==[i=='zero' for i in df.id]
