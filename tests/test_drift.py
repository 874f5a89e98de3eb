"Drift: a run with too few good parts says nothing rather than anything"
import numpy as np, pandas as pd
from semiconductor_cls.line.drift import drift_table, judge_window, METRICS

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
