package proxy

// Standing is what tests wait for, because nothing else tells of it.
type Standing struct{ Agents, Clients, Held int }

// Standing says of how many agents something is remembered, how many clients they have, and how
// many polls are held.
func (p *Proxy) Standing() (s Standing) {
	t := p.now.Load()
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Agents = len(t.desks)
	for _, d := range t.desks {
		for _, b := range d.badges {
			for _, c := range b.clients {
				s.Clients++
				s.Held += c.inside
			}
		}
	}
	return s
}
