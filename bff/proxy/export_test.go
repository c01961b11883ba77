package proxy

// Clinics is how many clinics are remembered, and Lines how many connections to them are open.
func (p *Proxy) Clinics() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.upstreams)
}

// Lines is how many connections are open.
func (p *Proxy) Lines() (n int) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, u := range p.upstreams {
		u.mu.Lock()
		n += u.open
		u.mu.Unlock()
	}
	return n
}
