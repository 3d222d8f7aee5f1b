# Summarises numbers and fits a line.
# stdout:
# |6.25 4.375 3.25 4.192255
# |[3.0625, 4.375, 11.375]
# |2.0 1.0 0.981981
# |0.97725
import statistics as st

data = [2.5, 3.25, 5.5, 11.25, 11.75, 3.25]
print(st.mean(data), st.median(data), st.mode(data), round(st.stdev(data), 6))
print([round(cut, 4) for cut in st.quantiles(data, n=4)])
slope, intercept = st.linear_regression([1, 2, 3, 4], [3, 5, 7, 9])
print(slope, intercept, round(st.correlation([1, 2, 3], [1, 2, 2.5]), 6))
print(round(st.NormalDist(100, 15).cdf(130), 6))
