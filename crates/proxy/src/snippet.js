!function(w,d,s){w.concierge=w.concierge||function(){(w.concierge.q=w.concierge.q||[]).push(arguments)}
w.concierge.t=performance.now()
try{if(d.querySelector('#concierge-decisions[data-made]'))return
s=w.concierge.s=new CSSStyleSheet
s.replaceSync('[data-concierge]{visibility:hidden}'+(JSON.parse(localStorage.concierge_hidden||'{}')[location.pathname]||'x')+'{visibility:hidden}')
d.adoptedStyleSheets=d.adoptedStyleSheets.concat(s)
setTimeout(function(){d.adoptedStyleSheets=d.adoptedStyleSheets.filter(function(x){return x!==s})},300)}catch(e){}}(window,document)
