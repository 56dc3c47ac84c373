"use strict";(()=>{function w(){let e=window;return e.concierge??=function(...n){(e.concierge.q??=[]).push(n)},{consent:n=>{e.concierge("consent",n)},onConsent:n=>e.concierge("onConsent",n)}}var k={en:["Your privacy","We use data about your visit as far as you agree. You can change your mind at any time.","Accept all","Refuse all","Choose","Privacy settings","Save choices","Close","Privacy policy","Your browser asks sites not to do this.","Statistics","To see how the site is used, and improve it.","Personalisation","To show you what fits you, going by what you do here.","Messages","To choose what we write to you.","Advertising","To choose and measure advertising."],sv:["Din integritet","Vi använder uppgifter om ditt besök så långt du samtycker. Du kan ändra dig när som helst.","Godkänn alla","Avvisa alla","Välj","Integritetsinställningar","Spara val","Stäng","Integritetspolicy","Din webbläsare ber webbplatser att låta bli.","Statistik","För att se hur webbplatsen används och förbättra den.","Personanpassning","För att visa sådant som passar dig, utifrån vad du gör här.","Meddelanden","För att välja vad vi skriver till dig.","Annonsering","För att välja och mäta annonser."],de:["Ihre Privatsphäre","Wir nutzen Daten über Ihren Besuch, soweit Sie zustimmen. Sie können das jederzeit ändern.","Alle akzeptieren","Alle ablehnen","Auswählen","Datenschutz-Einstellungen","Auswahl speichern","Schließen","Datenschutzerklärung","Ihr Browser bittet Websites, dies nicht zu tun.","Statistik","Um zu sehen, wie die Website genutzt wird, und sie zu verbessern.","Personalisierung","Um Ihnen zu zeigen, was zu Ihnen passt, anhand dessen, was Sie hier tun.","Nachrichten","Um auszuwählen, was wir Ihnen schreiben.","Werbung","Um Werbung auszuwählen und zu messen."],fr:["Votre vie privée","Nous utilisons des données sur votre visite dans la mesure où vous y consentez. Vous pouvez changer d’avis à tout moment.","Tout accepter","Tout refuser","Choisir","Paramètres de confidentialité","Enregistrer mes choix","Fermer","Politique de confidentialité","Votre navigateur demande aux sites de ne pas le faire.","Statistiques","Pour savoir comment le site est utilisé et l’améliorer.","Personnalisation","Pour vous montrer ce qui vous convient, d’après ce que vous faites ici.","Messages","Pour choisir ce que nous vous écrivons.","Publicité","Pour choisir la publicité et la mesurer."],es:["Su privacidad","Usamos datos sobre su visita en la medida en que usted lo acepte. Puede cambiar de opinión en cualquier momento.","Aceptar todo","Rechazar todo","Elegir","Configuración de privacidad","Guardar selección","Cerrar","Política de privacidad","Su navegador pide a los sitios que no lo hagan.","Estadísticas","Para ver cómo se usa el sitio y mejorarlo.","Personalización","Para mostrarle lo que le conviene, según lo que hace aquí.","Mensajes","Para elegir lo que le escribimos.","Publicidad","Para elegir la publicidad y medirla."],ar:["خصوصيتك","نستخدم بيانات عن زيارتك بقدر ما توافق عليه. يمكنك تغيير رأيك في أي وقت.","قبول الكل","رفض الكل","اختيار","إعدادات الخصوصية","حفظ الاختيارات","إغلاق","سياسة الخصوصية","يطلب متصفحك من المواقع ألا تفعل ذلك.","الإحصاءات","لمعرفة كيفية استخدام الموقع وتحسينه.","التخصيص","لعرض ما يناسبك بناءً على ما تفعله هنا.","الرسائل","لاختيار ما نكتبه إليك.","الإعلانات","لاختيار الإعلانات وقياسها."]},S=["title","text","accept","refuse","choose","settings","save","close","policy","signal"],L=["analytics","personalization","marketing","advertising"];function T(e,n){let t=e.map(A).find(p=>n[p]??k[p])??"en",s=k[t]??k.en,r=Object.fromEntries(S.map((p,g)=>[p,s[g]])),l=Object.fromEntries(L.map((p,g)=>{let[m,v]=s.slice(S.length+2*g);return[p,{name:m,description:v}]})),u=n[t];return{...r,...u,purposes:{...l,...u?.purposes},language:t}}var A=e=>e.toLowerCase().split(/[-_]/)[0],C=e=>/^(ar|fa|he|ur)$/.test(e);var P=`
:host { all: initial !important; color-scheme: inherit !important }
section, dialog {
  --text: var(--concierge-text, CanvasText);
  --surface: var(--concierge-surface, Canvas);
  --accent: var(--concierge-accent, var(--text));
  --radius: var(--concierge-radius, .5em);
  --line: GrayText;
  box-sizing: border-box; margin: auto; padding: 1.25em; overflow: auto;
  border: 1px solid var(--line); border-radius: var(--radius);
  color: var(--text); background: var(--surface);
  font-family: var(--concierge-font, var(--page-font)); line-height: 1.5; text-align: start;
}
section {
  position: fixed; z-index: 2147483647; inset: auto 1em 1em; max-inline-size: 44em; max-block-size: calc(100% - 2em);
  box-shadow: 0 .25em 2em #0004;
}
section[hidden] { display: none }
dialog { inline-size: calc(100% - 2em); max-inline-size: 36em; max-block-size: calc(100% - 2em) }
dialog::backdrop { background: #0009 }
h2 { margin: 0 0 .25em; font-size: 1.125em; line-height: 1.3; overflow-wrap: anywhere; hyphens: auto }
p { margin: 0 }
a { color: inherit }
a, button, input { border-radius: var(--radius) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
h2:focus { outline: none }
.buttons { display: flex; flex-wrap: wrap; gap: .5em; margin-block-start: 1em }
button {
  box-sizing: border-box; flex: 1 1 9em; min-block-size: 44px; padding: .5em; margin: 0;
  border: 1px solid var(--accent); color: var(--surface); background: var(--accent); font: inherit; cursor: pointer;
}
button.quiet { color: var(--text); background: none; border-color: var(--line) }
button.close { flex: none; inline-size: 44px; padding: 0; margin: -.5em; border: 0; font-size: 1.25em }
.head { display: flex; justify-content: space-between; align-items: center; gap: 1em; margin-block-end: .5em }
.head h2 { margin: 0 }
ul { margin: 1em 0 0; padding: 0; list-style: none }
li { display: flex; gap: 1em; align-items: start; padding-block: .75em; border-block-start: 1px solid var(--line) }
li div { flex: 1 }
label { font-weight: 600 }
input {
  appearance: none; box-sizing: border-box; flex: none; inline-size: 3em; block-size: 1.75em; margin: 0; padding: .25em;
  border: 2px solid var(--text); border-radius: 1em; font: inherit; cursor: pointer;
}
input::before {
  content: ''; display: block; block-size: 100%; aspect-ratio: 1; border-radius: 50%; background: var(--text);
}
input:checked { background: var(--accent); border-color: var(--accent) }
input:checked::before { margin-inline-start: auto; background: var(--surface) }
input:disabled { opacity: .5; cursor: default }
@media (forced-colors: active) {
  button { color: ButtonText; background: ButtonFace }
  input { appearance: auto }
  input::before { content: none }
}
@media print { :host { display: none !important } }
`;var M=24;function z(e,n,o,t){let s=document.createElement("concierge-consent"),r=s.attachShadow({mode:"open"});r.adoptedStyleSheets=[I(P)];let l={lang:e.language,dir:C(e.language)?"rtl":"ltr"},u=()=>{let i=o===void 0?[]:[" ",c("a",{href:o},e.policy)];return c("p",{},e.text,...i)},p=()=>[h(e.refuse,t.refuseAll),h(e.accept,t.acceptAll)],g=c("section",{...l,"aria-labelledby":"question",hidden:""},c("h2",{id:"question"},e.title),u(),c("div",{class:"buttons"},...p(),h(e.choose,t.open,"quiet"))),m=n.map(i=>q(i,e)),v=()=>t.save(i=>m.some(d=>d.key===i&&d.input.checked)),f=c("dialog",{...l,"aria-labelledby":"settings",closedby:"any"},c("div",{class:"head"},c("h2",{id:"settings",tabindex:"-1",autofocus:""},e.settings),h("×",()=>f.close(),"quiet close",e.close)),u(),c("ul",{role:"list"},...m.map(({item:i})=>i)),c("div",{class:"buttons"},...p(),h(e.save,v)));r.append(g,f);let x=R(g),a=H(s);return{ask(i){i&&E(s);let d=g.contains(r.activeElement);g.hidden=!i,!i&&d&&a.giveBack()},open(i){E(s);for(let{key:d,input:y}of m)y.checked=!y.disabled&&i(d);f.open||f.showModal()},close:()=>f.close(),remove(){x(),s.remove()}}}function E(e){e.isConnected||(e.style.setProperty("--page-font",getComputedStyle(document.body).fontFamily),document.documentElement.insertBefore(e,document.body))}function q({key:e,isBlocked:n},o){let{name:t,description:s}=o.purposes[e]??{name:e,description:""},r=`purpose-${e}`,l=c("input",{id:r,type:"checkbox",role:"switch","aria-describedby":`${r}-text`});l.disabled=n;let u=c("li",{},c("div",{},c("label",{for:r},t),c("p",{id:`${r}-text`},n?`${s} ${o.signal}`:s)),l);return{key:e,input:l,item:u}}function R(e){let n=new CSSStyleSheet;document.adoptedStyleSheets=document.adoptedStyleSheets.concat(n);let o=new ResizeObserver(()=>{let t=e.offsetHeight;n.replaceSync(t?`html{scroll-padding-block-end:${t+M}px}`:"")});return o.observe(e),()=>{o.disconnect(),document.adoptedStyleSheets=document.adoptedStyleSheets.filter(t=>t!==n)}}function H(e){let n=null;return e.addEventListener("focusin",({relatedTarget:o})=>n=o??n),{giveBack(){n instanceof HTMLElement&&n.focus({preventScroll:!0})}}}function I(e){let n=new CSSStyleSheet;return n.replaceSync(e),n}function h(e,n,o,t){let s={type:"button",...o?{class:o}:{},...t?{"aria-label":t}:{}},r=c("button",s,e);return r.onclick=()=>n(),r}function c(e,n,...o){let t=document.createElement(e);for(let[s,r]of Object.entries(n))t.setAttribute(s,r);return t.append(...o),t}function b(e){try{return e()}catch{return}}var V=["analytics","personalization","marketing",{key:"advertising",signals:!0}],j="data-concierge-consent";function O(e,n={}){let o=D(),t=(n.purposes??V).map(a=>typeof a=="string"?{key:a}:a),s=t.map(({key:a,signals:i})=>({key:a,isBlocked:!!i&&o})),r,l;function u(a){l?.close(),l?.ask(!1);let i=s.map(({key:d,isBlocked:y})=>[d,!y&&a(d)]);e.consent(Object.fromEntries(i))}let p=a=>r?.[a]??t.some(i=>i.key===a&&!!i.assumed);function g(){let a=[n.language??"",document.documentElement.lang,...navigator.languages],i={acceptAll:()=>u(()=>!0),refuseAll:()=>u(()=>!1),open:v,save:u};return l??=z(T(a,n.texts??{}),s,n.policy,i)}let m=()=>{b(()=>g().ask(!0))},v=()=>{b(()=>g().open(p))},f=F(()=>e.onConsent(a=>{r=a,t.every(({key:d})=>a&&d in a)?l?.ask(!1):s.some(({isBlocked:d})=>d)||m()})),x=N(v);return{ask:m,open:v,end(){f(),x(),l?.remove()}}}function D(){let{globalPrivacyControl:e,doNotTrack:n}=navigator;return e===!0||n==="1"}function F(e){let n,o=()=>{n=b(e)};return document.body?o():document.addEventListener("DOMContentLoaded",o,{once:!0}),()=>{document.removeEventListener("DOMContentLoaded",o),n?.()}}function N(e){let n=o=>{o.composedPath().some(s=>s instanceof Element&&s.hasAttribute(j))&&(o.preventDefault(),e())};return document.addEventListener("click",n),()=>document.removeEventListener("click",n)}var B=window;b(()=>{let e=B.conciergeBanner??{};"ask"in e||(B.conciergeBanner=O(w(),e))});})();
