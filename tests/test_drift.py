"Drift: a run with too few good parts says nothing rather than anything"
import numpy as np, pandas as pd
from semiconductor_cls.line.drift import drift_table, METRICS

def test_drift_of_a_run_with_few_good_parts():
    df = pd.DataFrame({m:np.linspace(0, 1, 60) for m in METRICS})
    few = df.head(5).assign(label='good')
    assert np.isnan(drift_table(df, few, 30).defects).all()
