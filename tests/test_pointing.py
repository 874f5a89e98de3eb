"Do the maps point at the boxes? A box keeps its area and place at every size"
import numpy as np
from semiconductor_cls.line.pointing import box_cover, score_map

def test_boxes_keep_their_area_and_place():
    rng = np.random.default_rng(0)
    for _ in range(300):
        w,h = rng.integers(5, 400, 2)
        side = int(rng.integers(8, 130))
        x1,y1 = rng.integers(w),rng.integers(h)
        x2,y2 = rng.integers(x1, w),rng.integers(y1, h)
        boxes,area = [(x1,y1,x2,y2)],(x2-x1+1)*(y2-y1+1)
        cover = box_cover(boxes, (w,h), side)
        assert cover.max()<=1+1e-9
        assert abs(cover.sum()/side**2 - area/(w*h))<1e-9
        s = score_map(cover, boxes, (w,h))
        assert s['inside'] or s['hit'] or max(w,h)/side>15
        assert 0<=s['energy']<=1+1e-9
        assert 0<=s['iou']<=1 and 0<=s['box_acc']<=1
