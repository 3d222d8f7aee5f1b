# Records of logging name threads, functions and lines, also by way of a queue.
# stdout:
# |INFO T0 app work:18 start 0
# |DEBUG T0 app work:23 end
# |INFO T1 app work:18 start 1
# |ERROR T1 app work:22 failed
# |ZeroDivisionError: division by zero
# |DEBUG T1 app work:23 end
# |X:from thread
# |MainThread:main
import logging, threading, logging.handlers, queue, io, sys
buf = io.StringIO()
logging.basicConfig(stream=buf, level=logging.DEBUG, format='%(levelname)s %(threadName)s %(name)s %(funcName)s:%(lineno)d %(message)s')
log = logging.getLogger('app')


def work(n):
    log.info('start %d', n)
    try:
        1 / (n - 1)
    except ZeroDivisionError:
        log.exception('failed')
    log.debug('end')


ts = [threading.Thread(target=work, args=(i,), name=f'T{i}') for i in range(2)]
for t in ts:
    t.start()
    t.join()
print('\n'.join((l for l in buf.getvalue().splitlines() if not l.startswith((' ', 'Trace')))))
q = queue.Queue()
qh = logging.handlers.QueueHandler(q)
sink = logging.StreamHandler(sys.stdout)
sink.setFormatter(logging.Formatter('%(threadName)s:%(message)s'))
ql = logging.handlers.QueueListener(q, sink)
ql.start()
lg = logging.getLogger('q')
lg.propagate = False
lg.setLevel(10)
lg.addHandler(qh)
t = threading.Thread(target=lambda: lg.warning('from thread'), name='X')
t.start()
t.join()
lg.error('main')
ql.stop()
