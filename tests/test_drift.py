"Drift: a run with too few good parts says nothing rather than anything"
import numpy as np, pandas as pd
from semiconductor_cls.line.drift import drift_table, judge_window, METRICS
from semiconductor_cls.scan import STATS
from semiconductor_cls.station.line import _lamp

def test_drift_of_a_run_with_few_good_parts():
    df = pd.DataFrame({m:np.linspace(0, 1, 60) for m in METRICS})
    few = df.head(5).assign(label='good')
    assert np.isnan(drift_table(df, few, 30).defects).all()

def window_of_lots(rng, n, spread):
    "Scores and brightness of parts in lots of 50, some of them defective; lots differ in brightness"
    y = rng.random(n)<.2
    lot = np.arange(n)//50
    bright = rng.normal(110, 6, n)+rng.normal(0, spread, lot.max()+1)[lot]+2*y
    others = {o:rng.normal(size=n) for o in ('contrast','sharpness')}
    known = dict(label=np.where(y, 'defect', 'good'), group=lot)
    return pd.DataFrame(others | known | dict(score=rng.normal(2.5*y), brightness=bright))

def test_lots_are_the_units_where_they_are_known():
    rng,alone = np.random.default_rng(0),lambda df: df.drop(columns='group')
    pairs = [(window_of_lots(rng, 200, 4), window_of_lots(rng, 1000, 4)) for _ in range(60)]
    false = [np.mean([bool(judge_window(of(a), b)['alarm']) for a,b in pairs]) for of in (alone, lambda df: df)]
    assert false[0]>.2 and false[1]<=.02, 'pictures of a lot are no independent observations'
    dark = [bool(judge_window(a.assign(brightness=a.brightness-20), b)['alarm']) for a,b in pairs[:20]]
    assert np.mean(dark)>.9, 'a change beyond what lots do is seen'
    same = [(window_of_lots(rng, 200, 0), window_of_lots(rng, 1000, 0)) for _ in range(20)]
    darker = [judge_window(a.assign(brightness=a.brightness-4), b)['alarm'] for a,b in same]
    assert np.mean([o=='brightness' for o in darker])>.9, 'where lots are alike, nothing is lost'

def test_what_was_not_compared_is_never_called_like_training():
    "25 good training pictures are too few: a window that is 110 gray levels darker is not judged, and says so"
    rng = np.random.default_rng(0)
    labels = ['good']*25+['defect']*20
    few = pd.DataFrame(rng.normal(150, 6, (45,4)), columns=METRICS).assign(label=labels, score=np.nan)
    dark = pd.DataFrame(rng.normal(40, 6, (200,4)), columns=METRICS).assign(score=rng.random(200))
    windows = drift_table(dark, few)
    assert windows.alarm.iloc[-1]=='' and windows.not_compared.iloc[-1]==', '.join(METRICS)
    assert windows[[f'p_{o}' for o in METRICS]].isna().all(axis=None)
    assert _lamp(windows)==('off','Too few training pictures to compare with (30 readable good ones are needed)')
    scored = pd.DataFrame(dict(score=rng.random(60), label='good'))    # of validation and test
    kind,text = _lamp(drift_table(dark, pd.concat([few, scored])))
    assert kind=='off' and text=='Like training: score. Not compared: '+', '.join(STATS)
    kind,text = _lamp(drift_table(dark.assign(score=2), pd.concat([few, scored])))
    assert kind=='bad' and text.startswith('Changed: score. Not compared: brightness')

def test_few_defects_in_training_make_no_alarm_of_a_share_of_defects():
    "29 defects are too few to compare scores with, and the lamp is gray; 30 are enough"
    def rows(rng, n_good, n_defect):
        y = np.arange(n_good+n_defect)<n_defect
        others = {o:rng.normal(size=len(y)) for o in STATS}
        return pd.DataFrame(others | dict(label=np.where(y, 'defect', 'good'), score=rng.normal(4.*y)))
    for n,not_compared in ((1,'score'),(29,'score'),(30,'')):
        rng,lamps = np.random.default_rng(n),[]
        ref = rows(rng, 300, n)
        for _ in range(10):
            windows = drift_table(rows(rng, 160, 40).sample(frac=1, random_state=0), ref)
            assert windows.not_compared.tolist()==[not_compared]
            assert windows.defects.isna().all()==(n<30)
            lamps.append(_lamp(windows))
        calm = ('off','Like training: brightness, contrast, sharpness. Not compared: score')
        assert lamps.count(calm if n<30 else ('good','Like training'))>=9
