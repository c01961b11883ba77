package audit

// Fill takes every place in the queue, as a disk that hangs would.
func (l *Log) Fill() {
	for range maxWaiting {
		l.slots <- struct{}{}
	}
}

// Takes gives the sizes of the batches in which n records of a size are taken from the queue.
func Takes(n, size int) (sizes []int) {
	l := &Log{}
	for range n {
		l.queue = append(l.queue, &item{fields: make([]byte, size)})
	}
	for {
		batch, _ := l.take()
		if len(batch) == 0 {
			return sizes
		}
		sizes = append(sizes, len(batch)*size)
	}
}
