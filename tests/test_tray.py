"What comes in to the station: hostile files and folders are answered, and stay inside"
from pathlib import Path
import pytest
pytest.importorskip('gradio')
pytest.importorskip('pytorch_grad_cam')
from conftest import tree
from hostile import CASES, png, refused_files, taken_files, watched
from semiconductor_cls.station.station import Station
from semiconductor_cls.station.tray import files_below, take_in
from semiconductor_cls.station.desk import desk_view, find_seen, new_desk, pictures_of
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.station.verdicts import HASH, waiting

pytestmark = pytest.mark.usefixtures('one_thread')

def test_hostile_files_are_answered_and_stay_inside(place, tmp_path):
    station = Station(place/'runs/both', tmp_path/'v', max_mb=2)
    refused,taken = refused_files(),taken_files()
    files = [(b, n) for n,b in taken.items()] + [(b, n) for n,(b,_) in refused.items()]
    hashes,bad = take_in(station, 'd', files)
    assert len(hashes)==len(taken) and len(bad)==len(refused)
    why = dict(bad)
    for n,(_,words) in refused.items(): assert words in why[n], (n, why[n])
    assert {p.parts[0] for p in map(Path, tree(tmp_path))}=={'v'}
    stored = list((tmp_path/'v/store').rglob('*.*'))
    assert len(stored)>=len(taken)
    for p in stored: assert HASH.fullmatch(p.stem) and p.suffix in ('.png','.jpg','.bmp','.tif'), p
    queue = waiting(station.v, station.model, 'd', .5)
    assert not any(c in n for n in queue.name for c in '/\n\\')
    assert queue.name.str.len().max()<=80
    views = [desk_view(station, new_desk() | dict(hash=h), 'd', .5) for h in hashes]
    html = ''.join(v[i] for v in views for i in (1,4))
    assert '<img src=x' not in html and '&lt;img src=x' in html
    assert pictures_of(station, hashes[2])['size']==(60,66), 'a camera that was turned is turned back'
    for h in ('../../etc/passwd', "' or 1=1 --", 'a'*64, None, 5): assert find_seen(station, h) is None

def offered(station, folder):
    "All files of a folder: opened from the browser, and each one dropped"
    try: files,_ = files_below(station, folder)
    except UserError as e:
        assert 'no images in this folder' in str(e)
        files = []
    dropped = [p for p in sorted(folder.rglob('*')) if p.is_file() and not p.is_symlink() and p.stat().st_size<10e6]
    return [(p, p.name) for p in files] + [(p.read_bytes(), p.name) for p in dropped]

def test_what_is_hostile_to_predict_is_answered_here_too(place, tmp_path):
    "Every folder that `predict` is tried with"
    lots,n = tmp_path/'lots',0
    lots.mkdir()
    station = Station(place/'runs/both', tmp_path/'v', folders=[lots], max_mb=2)
    for name,(make,*_) in CASES.items():
        d = lots/name
        for o in ('in','secret'): (d/o).mkdir(parents=True)
        (d/'secret/s.png').write_bytes(png())
        make(d)
        station.roots,before = [d/'in'],tree(d)
        with watched() as opened:
            files = offered(station, d/'in')
            hashes,bad = take_in(station, 'd', files)
        assert len(hashes)+len(bad)==len(files), name
        assert all(words for _,words in bad), name
        assert tree(d)==before, name
        assert not any('/secret/' in p for p,_ in opened), name
        n += len(files)
    assert len(CASES)>=50 and n>=100

def test_what_of_a_folder_is_not_scored_is_counted(place, tmp_path):
    lot = tmp_path/'lot'
    (lot/'deep').mkdir(parents=True)
    (lot/'a.png').write_bytes(png())
    (tmp_path/'out.png').write_bytes(png())
    for name in ('way.png','deep/way.png'): (lot/name).symlink_to(tmp_path/'out.png')
    for name in ('a.csv','deep/b.csv','<b>.t\nxt'): (lot/name).write_text('')
    station,left = Station(place/'runs/both', tmp_path/'v', folders=[lot]),[]
    assert files_below(station, lot, left=left)==([lot/'a.png'], 1)
    assert len(left)==1 and "2 '*.csv'" in left[0] and '2 links that lead out' in left[0] and '\n' not in left[0]
    (lot/'a.png').unlink()
    with pytest.raises(UserError, match='no images in this folder .*2 links that lead out'): files_below(station, lot)
