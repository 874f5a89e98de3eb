"Boxes that people and tools draw: on the part they mean, or a finding, or refused by name"
import json
from pathlib import Path
import numpy as np, pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from conftest import picture
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.image import load_image, open_image
from semiconductor_cls.base.issues import issues_of
from semiconductor_cls.base.parts import say_left_out
from semiconductor_cls.boxes import image_frame
from semiconductor_cls.source import read_source, say_findings

BOX = (5,6,14,19)

def tree(root):
    for i in range(3): picture(root/f'good/g{i}.png', i)
    picture(root/'defect/7.png', 9)
    return root

def voc(root):
    size = ''.join(f'<{k}>{v}</{k}>' for k,v in zip(('xmin','ymin','xmax','ymax'), BOX))
    (root/'defect/7.xml').write_text(f'<annotation><filename>7.png</filename><object><name>dent</name>'
                                     f'<bndbox>{size}</bndbox></object></annotation>')

def cvat(root):
    (root/'annotations.xml').write_text('<annotations><image id="0" name="defect/7.png" width="40" height="30">'
        '<box label="dent" xtl="5" ytl="6" xbr="15" ybr="20"/></image></annotations>')

def coco(root):
    images = [dict(id=3, file_name='7.png', width=40, height=30)]
    drawn = [dict(id=1, image_id=3, category_id=1, bbox=[5,6,10,14])]
    (root/'instances.json').write_text(json.dumps(dict(images=images, annotations=drawn,
                                                       categories=[dict(id=1, name='dent')])))

def label_studio(root):
    value = dict(x=12.5, y=20, width=25, height=100*14/30, rectanglelabels=['dent'])
    task = dict(data=dict(image='/data/upload/1/0a1b2c3d-7.png'), annotations=[dict(result=[dict(value=value)])])
    (root/'project-1.json').write_text(json.dumps([task]))

def yolo(root):
    (root/'labels').mkdir()
    (root/'labels/7.txt').write_text(f'0 {10/40} {13/30} {10/40} {14/30}\n')

@pytest.mark.parametrize('tool', [voc,cvat,coco,label_studio,yolo], ids=lambda f: f.__name__)
def test_boxes_of_a_tool_lie_where_they_were_drawn(tmp_path, tool):
    tool(tree(tmp_path))
    df = read_source(tmp_path)
    part = df[df.label=='defect'].iloc[0]
    assert part.boxes==[BOX]
    assert part.defect_type==('class 0' if tool is yolo else 'dent')
    assert set(issues_of(df).kind) <= {'column_renamed'} # width and height are names of our own, too

@pytest.mark.parametrize('name,text,why', [
    ('via.json', '{"_via_img_metadata": {}}', 'VGG Image Annotator'),
    ('video.xml', '<annotations><track id="0"/></annotations>', 'tracks of a video'),
    ('bomb.xml', '<!DOCTYPE a [<!ENTITY b "bb">]><annotation>&b;</annotation>', 'DOCTYPE'),
    ('coco.json', '{"images": [], "annotations": [{"image_id": 1}]}', 'boxes that cannot be read')])
def test_a_tool_that_is_not_read_is_refused_by_name(tmp_path, name, text, why):
    (tree(tmp_path)/name).write_text(text)
    with pytest.raises(UserError, match=why) as told: read_source(tmp_path)
    assert name in str(told.value)

@pytest.mark.parametrize('orientation', [5,6,7,8])
def test_a_box_drawn_in_the_stored_picture_turns_with_it(tmp_path, orientation):
    tree(tmp_path)
    stored = np.zeros((30,40), np.uint8)
    stored[6:20,5:15] = 255
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(stored).save(tmp_path/'defect/7.png', exif=exif)
    coco(tmp_path)
    left,top,right,bottom = read_source(tmp_path).set_index('label').boxes['defect'][0]
    shown = load_image(tmp_path/'defect/7.png')
    assert shown[top:bottom+1,left:right+1].min()==255
    assert shown.sum()==stored.sum()

def noted(path, a, kind):
    "A picture whose turn by a quarter is written so"
    exif = Image.Exif()
    exif[274] = 6
    xmp,raw = '<x tiff:Orientation="6"/>',exif.tobytes()
    if kind in ('jpg','webp','tif'): return Image.fromarray(a).save(path.with_suffix(f'.{kind}'), exif=exif)
    if kind=='xmp of a webp': return Image.fromarray(a).save(path.with_suffix('.webp'), xmp=xmp.encode())
    info = PngInfo()
    if kind=='profile': info.add_text('Raw profile type exif', f'\nexif\n{len(raw):8}\n{raw.hex()}\n', zip=True)
    if kind=='xmp': info.add_itxt('XML:com.adobe.xmp', xmp)
    Image.fromarray(a).save(path, pnginfo=info, exif=raw if kind=='late' else b'')
    content = path.read_bytes()
    note = content[33:33+12+len(raw)-6] # Pillow writes it behind the head
    if kind=='late': path.write_bytes(content[:33]+content[33+len(note):-12]+note+content[-12:])

@pytest.mark.parametrize('kind', ['tif','profile','xmp','late','jpg','webp','xmp of a webp'])
def test_a_box_of_the_shown_picture_fits_wherever_its_turn_is_written(tmp_path, kind):
    tree(tmp_path)
    (tmp_path/'defect/7.png').unlink()
    stored = np.zeros((30,40), np.uint8)
    stored[6:20,24:34] = 255    # shown from 10 to 23 and from 24 to 33
    noted(tmp_path/'defect/7.png', stored, kind)
    (tmp_path/'boxes.csv').write_text('id,x_1,y_1,x_2,y_2\n7,10,24,23,33\n')
    df = read_source(tmp_path).set_index('label')
    path = df.path['defect']
    assert image_frame(path)==((30,40),6) and open_image(path).size==(30,40)
    assert df.boxes['defect']==[(10,24,23,33)] and 'box_outside' not in set(issues_of(df).kind)
    left,top,right,bottom = df.boxes['defect'][0]
    assert load_image(path)[top:bottom+1,left:right+1].mean()>200

def test_boxes_of_another_picture_and_shares_are_left_out_and_said(tmp_path):
    tree(tmp_path)
    (tmp_path/'b.csv').write_text('id,x_1,y_1,x_2,y_2\n7,0.1,0.2,0.5,0.6\n\n7,a,b,c,d\n')
    images = [dict(id=3, file_name='7.png', width=4000, height=3000)]
    drawn = [dict(image_id=3, bbox=[500,600,1000,1400])]
    (tmp_path/'c.json').write_text(json.dumps(dict(images=images, annotations=drawn)))
    df = read_source(tmp_path)
    assert not any(df.boxes)
    found = issues_of(df).set_index('kind').detail
    assert found['box_not_pixels'].startswith('line 2: ')
    assert found['box_not_numbers'].startswith('line 4: ')
    assert 'box_other_size' in found

SHARES,TURNED,FLAT = (.1,.2,.5,.5),(30,26,20,10),(10,12,10,12)
NO_BOX = {'shares':(SHARES,'box_not_pixels'), 'turned':(TURNED,'box_inverted'), 'flat':(FLAT,'box_inverted')}

def drawn_by(root, tool, box, kind='dent'):
    left,top,right,bottom = box
    if tool=='coco':
        drawn = dict(image_id=3, category_id=1, bbox=[left,top,right-left,bottom-top])
        (root/'c.json').write_text(json.dumps(dict(images=[dict(id=3, file_name='7.png', width=40, height=30)],
                                                   annotations=[drawn], categories=[dict(id=1, name=kind)])))
    elif tool=='labelme':
        shape = dict(label=kind, points=[[left,top],[right,bottom]], shape_type='rectangle')
        (root/'l.json').write_text(json.dumps(dict(imagePath='7.png', shapes=[shape])))
    elif tool=='cvat':
        (root/'a.xml').write_text('<annotations><image id="0" name="7.png" width="40" height="30"><box '
            f'label="{kind}" xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}"/></image></annotations>')
    else:
        (root/'labels').mkdir()
        x,y,w,h = (left+right)/80,(top+bottom)/60,(right-left)/40,(bottom-top)/30
        (root/'labels/7.txt').write_text(f'0 {x} {y} {w} {h}\n')

TOLD_BY = dict(shares=['coco','labelme','cvat'], turned=['coco','cvat','yolo'], flat=['coco','labelme','cvat','yolo'])

@pytest.mark.parametrize('kind,tool', [(kind,tool) for kind,tools in TOLD_BY.items() for tool in tools])
def test_what_is_no_box_in_pixels_is_a_finding_and_no_single_pixel(tmp_path, tool, kind):
    box,finding = NO_BOX[kind]
    drawn_by(tree(tmp_path), tool, box)
    df = read_source(tmp_path)
    assert not any(df.boxes) and issues_of(df).kind.tolist()==[finding]

@pytest.mark.parametrize('shape,box', [('line',(5,9,14,9)), ('polygon',(5,6,14,19))])
def test_a_line_is_one_pixel_thick_and_a_point_is_no_box(tmp_path, shape, box):
    points = [[5,9],[15,9]] if shape=='line' else [[5,6],[15,6],[9,20]]
    drawn = {shape:points, 'point':[[3,3]]}
    shapes = [dict(label='dent', points=points, shape_type=shape) for shape,points in drawn.items()]
    (tree(tmp_path)/'l.json').write_text(json.dumps(dict(imagePath='7.png', shapes=shapes)))
    df = read_source(tmp_path)
    assert df.set_index('id').boxes['7']==[box]
    found = issues_of(df)
    assert found.kind.tolist()==['box_not_numbers'] and 'point is no box' in found.detail[0]

@pytest.mark.parametrize('tool', ['coco','labelme','cvat','csv'])
@pytest.mark.parametrize('word,odd', [('OK','box_says_good'), ('good','box_says_good'), ('NG',None)])
def test_a_box_that_says_good_is_left_out_and_one_that_says_defect_has_no_type(tmp_path, tool, word, odd):
    if tool=='csv': (tree(tmp_path)/'b.csv').write_text(f'file,class,x1,y1,x2,y2\n7.png,{word},5,6,14,19\n')
    else: drawn_by(tree(tmp_path), tool, (5,6,15,20), word)
    df = read_source(tmp_path)
    assert df.set_index('id').boxes['7']==([] if odd else [BOX])
    assert df.defect_type.isna().all() and issues_of(df).kind.tolist()==[o for o in [odd] if o]

def test_numbers_that_coco_does_not_explain_are_said(tmp_path):
    file = dict(images=[dict(id=3, file_name='7.png')], categories=[dict(id=1, name='dent')],
                annotations=[dict(image_id=3, category_id=8, bbox=[5,6,10,14]), dict(image_id=9, bbox=[1,1,5,5])])
    (tree(tmp_path)/'c.json').write_text(json.dumps(file))
    df = read_source(tmp_path)
    assert df.set_index('id').boxes['7']==[BOX]
    assert issues_of(df).kind.tolist()==['box_type_unknown','box_unknown_id']
    file['images'].append(dict(id=3, file_name='g0.png'))
    (tmp_path/'c.json').write_text(json.dumps(file))
    with pytest.raises(UserError, match='c.json: 7.png and g0.png are both the'): read_source(tmp_path)

def test_a_shared_name_needs_its_folder(tmp_path):
    for kind in ('scratch','crack'): picture(tmp_path/f'defect/{kind}/000.png')
    picture(tmp_path/'good/1.png')
    box = ',5,6,14,19\n'
    (tmp_path/'b.csv').write_text('id,x_1,y_1,x_2,y_2\n000'+box+'scratch/000'+box+'defect\\crack\\000.png'+box)
    df = read_source(tmp_path)
    assert df[df.label=='defect'].boxes.tolist()==[[BOX],[BOX]]
    assert issues_of(df).kind.tolist()==['box_name_shared']

@pytest.mark.parametrize('places', [('good','defect'), ('good','scratch','good/b')], ids=len)
@pytest.mark.parametrize('tool', ['csv','json'])
def test_a_box_of_a_shared_name_goes_to_none_also_where_one_is_a_defect(tmp_path, places, tool):
    for i,place in enumerate(places): picture(tmp_path/place/'7.png', i)
    if tool=='json': coco(tmp_path)
    else: (tmp_path/'b.csv').write_text('id,x_1,y_1,x_2,y_2\n7,5,6,14,19\n')
    df = read_source(tmp_path)
    found = issues_of(df)
    assert not any(df.boxes) and found.kind.tolist()==['box_name_shared']
    assert f'{len(places)} files have this name' in found.detail[0] and 'box_name_shared' in say_findings(df)

@pytest.mark.parametrize('tool', ['labelme','coco','csv'])
def test_a_box_file_beside_a_picture_means_that_one(tmp_path, tool):
    for place in ('good/7','scratch/7','dent/7'): picture(tmp_path/f'{place}.png')
    if tool=='labelme':
        shape = dict(label='dent', points=[[5,6],[15,20]])
        (tmp_path/'dent/7.json').write_text(json.dumps(dict(imagePath='7.png', shapes=[shape])))
    elif tool=='coco': coco(tmp_path/'dent')
    else: (tmp_path/'dent/b.csv').write_text('file,x_1,y_1,x_2,y_2\n7.png,5,6,14,19\n')
    df = read_source(tmp_path)
    assert df.set_index('id').boxes.to_dict()=={'good/7':[], 'scratch/7':[], 'dent/7':[BOX]}
    assert not len(issues_of(df))

def test_a_part_keeps_all_its_types(tmp_path):
    tree(tmp_path)
    (tmp_path/'b.csv').write_text('id,x_1,y_1,x_2,y_2,defect_type\n7,1,1,5,5,dent\n7,6,6,9,9,crack\n7,9,9,12,12,dent\n')
    assert read_source(tmp_path).set_index('label').defect_type['defect']=='crack, dent'

NAMES = {'x1,y1,x2,y2':BOX, 'Xmin,Ymin,Xmax,Ymax':BOX, 'left,top,width,height':(5,6,10,14), 'x,y,w,h':(5,6,10,14),
    'bbox_x,bbox_y,bbox_width,bbox_height':(5,6,10,14), 'x_center,y_center,width,height':(10,13,10,14)}

@pytest.mark.parametrize('names', NAMES)
def test_boxes_in_columns_of_any_name(tmp_path, names):
    picture(tmp_path/'7.png', 9)
    picture(tmp_path/'8.png', 8)
    numbers = ','.join(map(str, NAMES[names]))
    (tmp_path/'t.csv').write_text(f'path,label,{names}\n7.png,ng,{numbers}\n8.png,ok,,,,\n')
    df = read_source(tmp_path/'t.csv')
    assert df.boxes.tolist()==[[BOX],[]]
    assert set(issues_of(df).kind) <= {'column_renamed'} # width and height are names of our own, too
    assert not {'left','x1','Xmin'} & set(df)

DOUBT = {'both':('x,y,w,h','20,15,4,4'), 'neither':('x,y,w,h','30,25,30,30'), 'three':('x_1,y_1,x_2','5,6,14'),
    'one cell':('bbox','"[2, 3, 11, 7]"')}

@pytest.mark.parametrize('kind', DOUBT)
def test_boxes_that_may_mean_two_things_are_named(tmp_path, kind):
    names,numbers = DOUBT[kind]
    picture(tmp_path/'7.png', 9)
    (tmp_path/'t.csv').write_text(f'path,label,{names}\n7.png,ng,{numbers}\n')
    df = read_source(tmp_path/'t.csv')
    assert df.boxes.tolist()==[[]]
    assert issues_of(df).kind.tolist()==['boxes_not_read']
    assert set(names.split(',')) <= set(df) # the user's own columns stay
    assert 'boxes_not_read' in say_findings(df)

@pytest.mark.parametrize('names', ['x,y,width,height','lot,temperature,x,y'])
def test_sizes_of_pictures_and_places_on_a_tray_are_no_boxes(tmp_path, names):
    picture(tmp_path/'7.png', 9)
    (tmp_path/'t.csv').write_text(f'path,label,{names}\n7.png,ng,3,4,40,30\n')
    df = read_source(tmp_path/'t.csv')
    assert df.boxes.tolist()==[[]]
    assert 'boxes_not_read' not in set(issues_of(df).kind)

@pytest.mark.parametrize('cell', ['2','0.5','dent','7 8 9 10','True'])
def test_a_column_boxes_that_holds_none_is_refused(tmp_path, cell):
    picture(tmp_path/'7.png', 9)
    (tmp_path/'t.csv').write_text(f'path,label,boxes\n7.png,ng,{cell}\n')
    with pytest.raises(UserError, match=f"t.csv: boxes '{cell}' are none such as.*needs another name"):
        read_source(tmp_path/'t.csv')

def test_all_rows_of_a_file_add_their_boxes(tmp_path):
    picture(tmp_path/'7.png', 9)
    rows = '\n'.join(f'7.png,ng,"{o}"' for o in ([[1,2,3,4]], [[5,6,7,8]]))
    (tmp_path/'t.csv').write_text(f'path,label,boxes\n{rows}\n')
    assert [list(o) for o in read_source(tmp_path/'t.csv').boxes[0]]==[[1,2,3,4],[5,6,7,8]]

@pytest.mark.parametrize('head,row', [('filename,width,height,class,xmin,ymin,xmax,ymax','7.png,40,30,dent,'),
    ('image;left;top;right;bottom;class','')], ids=['detector','semicolons'])
def test_a_csv_of_a_detector_in_a_folder(tmp_path, head, row):
    box = ','.join(map(str, BOX))
    text = f'{head}\n{row}{box}\n' if row else f'{head}\ndefect/7.png;{box.replace(",", ";")};dent\n'
    (tree(tmp_path)/'found.csv').write_text(text)
    df = read_source(tmp_path).set_index('label')
    assert df.boxes['defect']==[BOX]
    assert df.defect_type['defect']=='dent'

ODD_CELLS = {'a dict':'"{""x"":1}"', 'many':'"['+','.join(['1']*500)+']"', 'a word':'dent'}

@pytest.mark.parametrize('kind', ODD_CELLS)
def test_a_cell_that_holds_no_box_is_named_by_its_line(tmp_path, kind):
    for name in ('7.png','8.png'): picture(tmp_path/name)
    (tmp_path/'t.csv').write_text(f'path,label,bbox\n8.png,ok,[]\n7.png,ng,{ODD_CELLS[kind]}\n')
    found = issues_of(read_source(tmp_path/'t.csv'))
    assert found.kind.tolist()==['box_not_numbers'] and found.detail[0].startswith('line 3: ')

@pytest.mark.parametrize('names,none', [('x1,y1,x2,y2','0,0,0,0'), ('x1,y1,x2,y2','-1,-1,-1,-1'), ('x,y,w,h','0,0,0,0'),
    ('left,top,width,height','-1,-1,-1,-1')])
def test_four_zeros_or_minus_ones_say_that_there_is_no_box(tmp_path, names, none):
    for name in ('7.png','8.png'): picture(tmp_path/name)
    box = '5,6,14,19' if 'x2' in names else '5,6,10,14'
    (tmp_path/'t.csv').write_text(f'path,label,{names}\n7.png,ng,{box}\n8.png,ok,{none}\n')
    df = read_source(tmp_path/'t.csv')
    assert df.boxes.tolist()==[[BOX],[]] and set(issues_of(df).kind) <= {'column_renamed'}

LISTS = {'outside':('ng','[[100,100,200,200]]','box_outside'), 'cut':('ng','[[5,6,99,19]]','box_cut'),
    'shares':('ng','[[0.1,0.1,0.2,0.2]]','box_not_pixels'), 'on good':('ok','[[5,6,14,19]]','box_on_good')}

@pytest.mark.parametrize('kind', LISTS)
def test_lists_of_boxes_are_checked_as_corners_are(tmp_path, kind):
    label,cell,finding = LISTS[kind]
    picture(tmp_path/'7.png')
    (tmp_path/'t.csv').write_text(f'path,label,boxes\n7.png,{label},"{cell}"\n')
    assert issues_of(read_source(tmp_path/'t.csv')).kind.tolist()==[finding]

REFUSED = {'long rows':('path,label\n7.png,ng,a,b\n','more cells than the header'),
    'two names':('path,label,width,own_width\n7.png,ng,1,2\n','cannot both be kept'),
    'two corners':('path,label,x1,y1,x2,y2,xmin,ymin,xmax,ymax\n7.png,ng,1,1,2,2,1,1,2,2\n','may both be'),
    'one file twice':('path,label,split\nsub/../7.png,ng,train\n7.png,ng,test\n','is in train and in test')}

@pytest.mark.parametrize('kind', REFUSED)
def test_tables_that_could_be_read_in_two_ways_are_refused(tmp_path, kind):
    text,why = REFUSED[kind]
    picture(tmp_path/'7.png')
    (tmp_path/'sub').mkdir()
    (tmp_path/'t.csv').write_text(text)
    with pytest.raises(UserError, match=why): read_source(tmp_path/'t.csv')

def test_a_table_of_labels_beside_folders_gives_its_boxes(tmp_path):
    box = ','.join(map(str, BOX))
    (tree(tmp_path)/'t.csv').write_text(f'filename,label,xmin,ymin,xmax,ymax\n7.png,dent,{box}\ng0.png,good,,,,\n')
    df = read_source(tmp_path).set_index('id')
    assert df.boxes['7']==[BOX] and df.defect_type['7']=='dent'
    assert not len(df.boxes['g0']) and not len(issues_of(df))

def test_a_thousand_columns_take_no_time_of_their_own(tmp_path, monkeypatch):
    import semiconductor_cls.source as source
    calls = []
    given = source.given_back
    monkeypatch.setattr(source, 'given_back', lambda columns: calls.append(1) or given(columns))
    picture(tmp_path/'7.png')
    names = ','.join(f'c{i}' for i in range(300))
    (tmp_path/'t.csv').write_text(f'path,label,{names}\n7.png,ng{",1"*300}\n')
    assert len(read_source(tmp_path/'t.csv'))==1 and len(calls)<5

# ---- what looks like an annotation and is not used is said

COCO_CUT = json.dumps(dict(images=[dict(id=3, file_name='7.png')], annotations=[dict(bbox=[5,6,10,14])]))[:-7]
NOT_READ = {'coco.json':(COCO_CUT, 'not readable as JSON'), 'voc.xml':('<annotation><object>', 'not readable as XML'),
    'createml.json':('[{"image": "7.png", "annotations": [{"label": "dent", "coordinates": {"x": 1}}]}]', 'of no tool'),
    'mine.json':('{"7.png": {"boxes": [[5,6,14,19]]}}', 'of no tool'),
    'my.xml':('<data><bndbox/></data>', 'of no tool'),
    'labels/7.txt':('0 0.25 0.4 0.25 0.5\n0 0.25 0.4\n', "line 2 is none of YOLO's: '0 0.25 0.4'"),
    'dota.txt':('12 14 20 24 20 30 12 30 dent 0\n', "line 1 is none of YOLO's")}

@pytest.mark.parametrize('twin', ['good defect','ok ng','train/good test/dent'])
@pytest.mark.parametrize('name', NOT_READ)
def test_an_annotation_that_is_not_read_is_a_finding(tmp_path, twin, name):
    text,why = NOT_READ[name]
    for i,folder in enumerate(twin.split()): picture(tmp_path/folder/f'{7+i}.png', i)
    if twin.startswith('train'): picture(tmp_path/'test/good/9.png', 5)
    (tmp_path/name).parent.mkdir(exist_ok=True)
    (tmp_path/name).write_text(text)
    df = read_source(tmp_path)
    found = issues_of(df)
    assert found.kind.tolist()==['annotation_unreadable'] and why in found.detail[0]
    assert f'did not fit: 1 annotation_unreadable ({name.split("/")[-1]})' in say_findings(df)
    assert say_left_out(df.attrs['issues'])==''

@pytest.mark.parametrize('name', ['manifest.json','issues.csv'])
def test_a_file_called_like_one_of_ours_hides_no_boxes(tmp_path, name):
    coco(tree(tmp_path))
    (tmp_path/name).write_text('{}' if name.endswith('json') else 'ticket,who\n1,A\n')
    assert read_source(tmp_path).set_index('label').boxes['defect']==[BOX]

OWN_FILES = {'notes.txt':'taken on a Monday\n', 'run.json':'{"status": "finished"}', 'camera.xml':'<camera gain="3"/>',
    'days.csv':'day,operator\n1,A\n', 'classes.txt':'dent\nscratch\n', 'data.json':'[1, 2, 3]'}

@pytest.mark.parametrize('name', OWN_FILES)
def test_a_file_that_is_no_annotation_is_counted_as_no_picture(tmp_path, name):
    (tree(tmp_path)/name).write_text(OWN_FILES[name])
    df = read_source(tmp_path)
    assert issues_of(df).kind.tolist()==['not_an_image']
    assert say_left_out(df.attrs['issues'])==f"left out: 1 '*.{name.split('.')[1]}'"

@pytest.mark.parametrize('line,box', [('0 0.125 0.2 0.375 0.2 0.375 0.6666 0.125 0.6666', BOX),
    ('3\t0.5 0.1 0.75 0.5 0.5 0.9', (20,3,29,26))], ids=['rectangle','triangle'])
def test_an_outline_of_yolo_becomes_a_box_around_it(tmp_path, line, box):
    (tree(tmp_path)/'labels').mkdir()
    (tmp_path/'labels/7.txt').write_text(f'{line}\n')
    assert read_source(tmp_path).set_index('id').boxes['7']==[box]

@pytest.mark.parametrize('seen', ['0.3 0.5 2', '0.3 0.5 1 0 0 0', '0.2 0.6 1.000000 0.3 0.65 1.000000'])
def test_a_pose_of_yolo_has_the_box_that_it_tells(tmp_path, seen):
    (tree(tmp_path)/'labels').mkdir()
    (tmp_path/'labels/7.txt').write_text(f'0 0.25 0.43333 0.25 0.46666 {seen}\n')
    assert read_source(tmp_path).set_index('id').boxes['7']==[BOX]

VOC = ('<annotation><filename>7.png</filename><size><width>40.0</width><height>30.0</height></size><object>'
       '<name>Bläschen</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>14</xmax><ymax>19</ymax></bndbox></object></annotation>')

@pytest.mark.parametrize('encoding', ['iso-8859-1','utf-16','utf-8'])
def test_letters_of_an_annotation_are_read_as_it_says(tmp_path, encoding):
    (tree(tmp_path)/'7.xml').write_text(f'<?xml version="1.0" encoding="{encoding}"?>{VOC}', encoding)
    row = read_source(tmp_path).set_index('id').loc['7']
    assert (row.boxes,row.defect_type)==([BOX],'Bläschen')

LABELME = '{"imagePath": "7.png", "shapes": [{"label": "良品", "points": [[5,6], [15,20]]}]}'

@pytest.mark.parametrize('name,text,why', [('7.xml',VOC,'letters'), ('7.json',LABELME,'letters'),
    ('a.csv','7.png,5,6,14,19,dent','names of columns')])
def test_letters_or_columns_that_cannot_be_told_are_a_finding(tmp_path, name, text, why):
    (tree(tmp_path)/name).write_text(text, 'gbk' if name=='7.json' else 'latin-1')
    df = read_source(tmp_path)
    assert issues_of(df).kind.tolist()==['annotation_unreadable'] and why in issues_of(df).detail[0]
    assert not df.boxes.map(len).any()

LOST = {'image,split\n7.png,test':'split', 'path;group;day\n7.png;A;1':'group',
    'file,defect_type\n7.png,dent':'defect_type', 'id,x1,y1,x2\n7,5,6,14':'x1, y1, x2',
    'id,x_1,y_1,x_2,y_2,lot\n7,5,6,14,19,A':'lot', 'img,x,y,w,h\n7,5,6,9,9':'x, y, w, h'}

@pytest.mark.parametrize('text', LOST, ids=LOST.values())
@pytest.mark.parametrize('ending', ['csv','tsv'])
def test_columns_of_a_csv_beside_folders_that_are_not_read_are_named(tmp_path, text, ending):
    (tree(tmp_path)/f't.{ending}').write_text(text.replace(',', '\t') if ending=='tsv' else text)
    df = read_source(tmp_path)
    found = issues_of(df)
    assert found[['kind','other']].values.tolist()==[['columns_not_read', LOST[text]]]
    assert df.set_index('id').boxes['7']==([BOX] if 'y_2' in text else [])

TOLD = {'test.txt':'ok/1.png\nng/7.png\n', 'ImageSets/Main/val.txt':'part1 1\npart7 -1\n',
    'split.json':'{"test": ["ng/7.png"]}', 'rle.csv':'ImageId,EncodedPixels\n7.png,5 6 10 14\n',
    'via.csv':'filename,region_shape_attributes\n7.png,"{""x"": 5}"\n',
    'usage.tsv':'file\tusage\n7.png\ttest\n', 'day.csv':'7.png,2026-11\n'}

@pytest.mark.parametrize('name', TOLD)
def test_what_a_file_beside_folders_says_of_pictures_is_named_where_nothing_reads_it(tmp_path, name):
    for n,folder in (1,'ok'),(7,'ng'):
        for stem in (f'{n}', f'part{n}'): picture(tmp_path/folder/f'{stem}.png', n+len(stem))
    (tmp_path/name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path/name).write_text(TOLD[name])
    (tmp_path/'readme.txt').write_text('part7 is the worst\nof a day with much dust\nand of 3 lots\n')
    (tmp_path/'large.csv').write_text(f"file,curve\n7.png,{'1 '*99_999}\n")
    found = issues_of(read_source(tmp_path))
    told = found[found.kind.isin(['columns_not_read','list_not_read'])]
    assert [Path(o).name for o in told.path]==[Path(name).name]
    assert told.other.tolist()==[TOLD[name].splitlines()[0].replace('\t', ',').split(',')[1] if name[-2:]=='sv' else '']
    assert {*say_left_out(found.itertuples(index=False))[10:].split(', ')}=={"1 '*.csv'","1 '*.txt'"}

@pytest.mark.parametrize('words', ['good defect','ok ng','good/train defect/train'])
def test_pictures_beside_the_folders_are_counted(tmp_path, words):
    for i,folder in enumerate(words.split()): picture(tmp_path/folder/f'{i}.png', i)
    for name in ('a.png','b.png'): picture(tmp_path/name, 7)
    (tmp_path/'._a.png').touch()
    (tmp_path/'readme.md').touch()
    df = read_source(tmp_path)
    assert len(df)==2
    left = say_left_out(df.attrs['issues']).removeprefix('left out: ')
    assert set(left.split(', '))=={'2 beside the folders','1 hidden',"1 '*.md'"}

def test_pictures_beside_folders_that_are_named_by_their_paths_are_counted_on_each_level(tmp_path):
    for name in ('train/ok/1.png','train/ng/2.png','train/3.png','train/rework/4.png','5.png','old/6.png'):
        picture(tmp_path/name)
    left = say_left_out(read_source(tmp_path, 'train/ok', 'train/ng').attrs['issues'])
    assert set(left.removeprefix('left out: ').split(', '))=={'2 beside the folders','1 in rework','1 in old'}

# ---- boxes that are turned, and boxes of VOC that stick out

@pytest.mark.parametrize('shape', ['<box label="dent" xtl="5" ytl="6" xbr="15" ybr="20" rotation="{}"/>',
                                   '<polygon label="dent" points="5,6;15,6;15,20;5,20" rotation="{}"/>'])
@pytest.mark.parametrize('angle', ['0.00','45.00'])
def test_a_box_that_cvat_has_turned_is_a_finding_with_its_angle(tmp_path, shape, angle):
    tree(tmp_path)
    (tmp_path/'a.xml').write_text('<annotations><image id="0" name="defect/7.png" width="40" height="30">'
                                  f'{shape.format(angle)}</image></annotations>')
    df = read_source(tmp_path)
    found = issues_of(df)
    if angle=='0.00': assert [o for o in df.boxes if o]==[[(5,6,14,19)]] and not len(found)
    else: assert not any(df.boxes) and found.kind.tolist()==['box_not_numbers'] and 'rotated 45.00' in found.detail[0]

@pytest.mark.parametrize('box,kept,kinds', [((30,20,40,30),(30,20,39,29),[]), ((30,20,39.5,29.5),(30,20,39,29),[]),
    ((35,25,400,300),(35,25,39,29),['box_cut']), ((35,5,41,20),(35,5,39,20),['box_cut'])])
def test_a_box_of_voc_may_end_on_the_edge_and_is_called_cut_beyond_it(tmp_path, box, kept, kinds):
    tree(tmp_path)
    edges = ''.join(f'<{k}>{v}</{k}>' for k,v in zip(('xmin','ymin','xmax','ymax'), box))
    (tmp_path/'defect/7.xml').write_text('<annotation><filename>7.png</filename><size><width>40</width><height>30'
        f'</height></size><object><name>dent</name><bndbox>{edges}</bndbox></object></annotation>')
    df = read_source(tmp_path)
    assert [o for o in df.boxes if o]==[[kept]] and issues_of(df).kind.tolist()==kinds

# ---- what a tool says of whole pictures, and shapes that cannot be told

def says_of_wholes(root, tool):
    "Beside folders: an annotation without a shape that says something of a picture"
    if tool=='cvat':
        tag = '<image id="{0}" name="g{0}.png" width="40" height="30"><tag label="defect"/></image>'
        (root/'a.xml').write_text(f"<annotations>{''.join(tag.format(i) for i in range(3))}</annotations>")
    elif tool=='labelme':
        flags = dict(defect=True, old=False)
        (root/'good/g0.json').write_text(json.dumps(dict(imagePath='g0.png', shapes=[], flags=flags)))
    else:
        told = [dict(type='choices', from_name='verdict', value=dict(choices=['good']))]
        task = dict(choice='good') if tool=='small' else dict(annotations=[dict(result=told)])
        (root/'s.json').write_text(json.dumps([dict(image='7.png', **task) if tool=='small' else
                                               dict(data=dict(image='7.png'), **task)]))

@pytest.mark.parametrize('tool,what', [('cvat',('tag','3 tags')), ('labelme',('flag','1 flag')),
                                       ('label studio',('verdict','1 answer')), ('small',('choice','1 answer'))])
def test_what_a_tool_says_of_whole_pictures_is_counted_beside_folders(tmp_path, tool, what):
    says_of_wholes(tree(tmp_path), tool)
    df = read_source(tmp_path)
    found = issues_of(df)
    assert found[['kind','other','detail']].values.tolist()==[['answers_not_read',*what]]
    assert 'answers_not_read' in say_findings(df)

EMPTY = {'c.json':json.dumps(dict(images=[dict(id=1, file_name='7.png')], annotations=[])),
         'a.xml':'<annotations><image id="0" name="7.png"/></annotations>', 'b.csv':'id,x_1,y_1,x_2,y_2\n'}

@pytest.mark.parametrize('name', list(EMPTY))
def test_a_file_of_which_nothing_is_read_stays_counted(tmp_path, name):
    (tree(tmp_path)/name).write_text(EMPTY[name])
    ending = name.rpartition('.')[2]
    assert say_left_out(read_source(tmp_path).attrs['issues'])==f"left out: 1 '*.{ending}'"

BROKEN = {
    'coco': ('c.json', json.dumps(dict(images=[dict(id=3, file_name='7.png')], annotations=[
        dict(image_id=3, bbox=['a',6,10,14]), dict(image_id=3, bbox=[5,6,10,14])]))),
    'cvat': ('a.xml', '<annotations><image id="0" name="7.png"><polygon points="3,9;1"/>'
        '<box xtl="?" ytl="6" xbr="15" ybr="20"/><box xtl="5" ytl="6" xbr="15" ybr="20"/></image></annotations>'),
    'labelme': ('l.json', json.dumps(dict(imagePath='7.png', shapes=[
        dict(label='a', points=[]), dict(label='b', points=[[5,6],[15,20]])]))),
    'voc': ('v.xml', '<annotation><filename>7.png</filename>'+''.join(
        f'<object><bndbox><xmin>{o}</xmin><ymin>6</ymin><xmax>14</xmax><ymax>19</ymax></bndbox></object>'
        for o in ('a',5))+'</annotation>')}

@pytest.mark.parametrize('tool', list(BROKEN))
def test_a_broken_shape_is_a_finding_and_the_others_are_read(tmp_path, tool):
    name,text = BROKEN[tool]
    (tree(tmp_path)/name).write_text(text)
    df = read_source(tmp_path)
    assert df.set_index('id').boxes['7']==[BOX]
    assert set(issues_of(df).kind)=={'box_not_numbers'}

def test_outlines_of_coco_get_the_box_around_them(tmp_path):
    drawn = [dict(image_id=3, segmentation=[[5,6,15,6,9,20]]), dict(image_id=3, segmentation=dict(counts='a'))]
    coco = dict(images=[dict(id=3, file_name='7.png', width=40, height=30)], annotations=drawn)
    (tree(tmp_path)/'c.json').write_text(json.dumps(coco))
    df = read_source(tmp_path)
    assert df.set_index('id').boxes['7']==[BOX]
    assert 'mask is no box' in issues_of(df).detail[0]

def test_a_refused_file_says_what_it_lacks_and_the_way_out(tmp_path):
    (tree(tmp_path)/'c.json').write_text(json.dumps(dict(images=[], annotations=[dict(image_id=1)])))
    with pytest.raises(UserError) as told: read_source(tmp_path)
    assert str(told.value).endswith("c.json: boxes that cannot be read (an entry without 'bbox'); "
                                    'export them again, or move the file elsewhere')

@pytest.mark.parametrize('name,text', [('a.lst', '0.png 1\n1.png 0\n'), ('a.yaml', 'images:\n  - 0.png\n  - 1.png\n'),
                                       ('a.jsonl', '{"file": "0.png", "kind": 1}\n{"file": "1.png", "kind": 0}\n')])
def test_a_list_of_pictures_that_is_not_read_is_told_by_its_name(tmp_path, name, text):
    for label in ('good','defect'):
        (tmp_path/label).mkdir()
        for i in range(2): Image.new('L', (30,20), 40+i).save(tmp_path/label/f'{i}.png')
    (tmp_path/name).write_text(text)
    (tmp_path/'of_yolo.yaml').write_text('train: images/train\nnames: [dent]\n')
    found = issues_of(read_source(tmp_path))
    assert [Path(o).name for o in found.path[found.kind=='list_not_read']]==[name]

@pytest.mark.parametrize('encoding,head', [('gbk','\u8def\u5f84,\u6807\u7b7e'),
                                           ('shift_jis','\u30d1\u30b9,\u30e9\u30d9\u30eb')])
def test_a_head_of_other_letters_is_refused_for_its_encoding(tmp_path, encoding, head):
    (tmp_path/'t.csv').write_bytes(f'{head}\na.png,good\n'.encode(encoding))
    with pytest.raises(UserError, match='its letters are not UTF-8; save it as UTF-8'): read_source(tmp_path/'t.csv')
