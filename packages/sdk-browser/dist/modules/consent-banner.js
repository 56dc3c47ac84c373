"use strict";(()=>{function w(){let e=window;return e.concierge??=function(...n){(e.concierge.q??=[]).push(n)},{consent:n=>{e.concierge("consent",n)},onConsent:n=>e.concierge("onConsent",n)}}var k={en:["Your privacy","We use data about your visit as far as you agree. You can change your mind at any time.","Accept all","Refuse all","Choose","Privacy settings","Save choices","Close","Privacy policy","Your browser asks sites not to do this.","Statistics","To see how the site is used, and improve it.","Personalisation","To show you what fits you, going by what you do here.","Messages","To choose what we write to you.","Advertising","To choose and measure advertising."],sv:["Din integritet","Vi använder uppgifter om ditt besök så långt du samtycker. Du kan ändra dig när som helst.","Godkänn alla","Avvisa alla","Välj","Integritetsinställningar","Spara val","Stäng","Integritetspolicy","Din webbläsare ber webbplatser att låta bli.","Statistik","För att se hur webbplatsen används och förbättra den.","Personanpassning","För att visa sådant som passar dig, utifrån vad du gör här.","Meddelanden","För att välja vad vi skriver till dig.","Annonsering","För att välja och mäta annonser."],de:["Ihre Privatsphäre","Wir nutzen Daten über Ihren Besuch, soweit Sie zustimmen. Sie können das jederzeit ändern.","Alle akzeptieren","Alle ablehnen","Auswählen","Datenschutz-Einstellungen","Auswahl speichern","Schließen","Datenschutzerklärung","Ihr Browser bittet Websites, dies nicht zu tun.","Statistik","Um zu sehen, wie die Website genutzt wird, und sie zu verbessern.","Personalisierung","Um Ihnen zu zeigen, was zu Ihnen passt, anhand dessen, was Sie hier tun.","Nachrichten","Um auszuwählen, was wir Ihnen schreiben.","Werbung","Um Werbung auszuwählen und zu messen."],fr:["Votre vie privée","Nous utilisons des données sur votre visite dans la mesure où vous y consentez. Vous pouvez changer d’avis à tout moment.","Tout accepter","Tout refuser","Choisir","Paramètres de confidentialité","Enregistrer mes choix","Fermer","Politique de confidentialité","Votre navigateur demande aux sites de ne pas le faire.","Statistiques","Pour savoir comment le site est utilisé et l’améliorer.","Personnalisation","Pour vous montrer ce qui vous convient, d’après ce que vous faites ici.","Messages","Pour choisir ce que nous vous écrivons.","Publicité","Pour choisir la publicité et la mesurer."],es:["Su privacidad","Usamos datos sobre su visita en la medida en que usted lo acepte. Puede cambiar de opinión en cualquier momento.","Aceptar todo","Rechazar todo","Elegir","Configuración de privacidad","Guardar selección","Cerrar","Política de privacidad","Su navegador pide a los sitios que no lo hagan.","Estadísticas","Para ver cómo se usa el sitio y mejorarlo.","Personalización","Para mostrarle lo que le conviene, según lo que hace aquí.","Mensajes","Para elegir lo que le escribimos.","Publicidad","Para elegir la publicidad y medirla."],ar:["خصوصيتك","نستخدم بيانات عن زيارتك بقدر ما توافق عليه. يمكنك تغيير رأيك في أي وقت.","قبول الكل","رفض الكل","اختيار","إعدادات الخصوصية","حفظ الاختيارات","إغلاق","سياسة الخصوصية","يطلب متصفحك من المواقع ألا تفعل ذلك.","الإحصاءات","لمعرفة كيفية استخدام الموقع وتحسينه.","التخصيص","لعرض ما يناسبك بناءً على ما تفعله هنا.","الرسائل","لاختيار ما نكتبه إليك.","الإعلانات","لاختيار الإعلانات وقياسها."]},S=["title","text","accept","refuse","choose","settings","save","close","policy","signal"],L=["analytics","personalization","marketing","advertising"];function T(e,n){let t=e.map(A).find(g=>n[g]??k[g])??"en",i=k[t]??k.en,a=Object.fromEntries(S.map((g,d)=>[g,i[d]])),u=Object.fromEntries(L.map((g,d)=>{let[m,v]=i.slice(S.length+2*d);return[g,{name:m,description:v}]})),p=n[t];return{...a,...p,purposes:{...u,...p?.purposes},language:t}}var A=e=>e.toLowerCase().split(/[-_]/)[0],C=e=>/^(ar|fa|he|ur)$/.test(e);var P=`
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
`;var M=24;function z(e,n,o,t){let i=document.createElement("concierge-consent"),a=i.attachShadow({mode:"open"});a.adoptedStyleSheets=[I(P)];let u={lang:e.language,dir:C(e.language)?"rtl":"ltr"},p=()=>{let s=o===void 0?[]:[" ",c("a",{href:o},e.policy)];return c("p",{},e.text,...s)},g=()=>[h(e.refuse,t.refuseAll),h(e.accept,t.acceptAll)],d=c("section",{...u,"aria-labelledby":"question",hidden:""},c("h2",{id:"question"},e.title),p(),c("div",{class:"buttons"},...g(),h(e.choose,t.open,"quiet"))),m=n.map(s=>q(s,e)),v=()=>t.save(s=>m.some(l=>l.key===s&&l.input.checked)),f=c("dialog",{...u,"aria-labelledby":"settings",closedby:"any"},c("div",{class:"head"},c("h2",{id:"settings",tabindex:"-1",autofocus:""},e.settings),h("×",()=>f.close(),"quiet close",e.close)),p(),c("ul",{role:"list"},...m.map(({item:s})=>s)),c("div",{class:"buttons"},...g(),h(e.save,v)));a.append(d,f);let x=R(d),r=H(i);return{ask(s){s&&E(i);let l=d.contains(a.activeElement);d.hidden=!s,!s&&l&&r.giveBack()},open(s){E(i);for(let{key:l,input:y}of m)y.checked=!y.disabled&&s(l);f.open||f.showModal()},close:()=>f.close(),remove(){x(),i.remove()}}}function E(e){e.isConnected||(e.style.setProperty("--page-font",getComputedStyle(document.body).fontFamily),document.documentElement.insertBefore(e,document.body))}function q({key:e,isBlocked:n},o){let{name:t,description:i}=o.purposes[e]??{name:e,description:""},a=`purpose-${e}`,u=c("input",{id:a,type:"checkbox",role:"switch","aria-describedby":`${a}-text`});u.disabled=n;let p=c("li",{},c("div",{},c("label",{for:a},t),c("p",{id:`${a}-text`},n?`${i} ${o.signal}`:i)),u);return{key:e,input:u,item:p}}function R(e){let n=new CSSStyleSheet;document.adoptedStyleSheets=document.adoptedStyleSheets.concat(n);let o=new ResizeObserver(()=>{let t=e.offsetHeight;n.replaceSync(t?`html{scroll-padding-block-end:${t+M}px}`:"")});return o.observe(e),()=>{o.disconnect(),document.adoptedStyleSheets=document.adoptedStyleSheets.filter(t=>t!==n)}}function H(e){let n=null;return e.addEventListener("focusin",({relatedTarget:o})=>n=o??n),{giveBack(){n instanceof HTMLElement&&n.focus({preventScroll:!0})}}}function I(e){let n=new CSSStyleSheet;return n.replaceSync(e),n}function h(e,n,o,t){let i={type:"button",...o?{class:o}:{},...t?{"aria-label":t}:{}},a=c("button",i,e);return a.onclick=()=>n(),a}function c(e,n,...o){let t=document.createElement(e);for(let[i,a]of Object.entries(n))t.setAttribute(i,a);return t.append(...o),t}function b(e){try{return e()}catch{return}}var j=["analytics","personalization","marketing",{key:"advertising",signals:!0}],V="data-concierge-consent";function O(e,n={}){let o=D(),t=(n.purposes??j).map(r=>typeof r=="string"?{key:r}:r),i=t.map(({key:r,signals:s})=>({key:r,isBlocked:!!s&&o})),a=[n.language??"",document.documentElement.lang,...navigator.languages],u;function p(r){m.close(),m.ask(!1);let s=i.map(({key:l,isBlocked:y})=>[l,!y&&r(l)]);e.consent(Object.fromEntries(s))}let g=r=>u?.[r]??t.some(s=>s.key===r&&!!s.assumed),d=()=>{b(()=>m.open(g))},m=z(T(a,n.texts??{}),i,n.policy,{acceptAll:()=>p(()=>!0),refuseAll:()=>p(()=>!1),open:d,save:p}),v=r=>{b(()=>m.ask(r))},f=F(()=>e.onConsent(r=>{u=r,t.every(({key:l})=>r&&l in r)?v(!1):i.some(({isBlocked:l})=>l)||v(!0)})),x=N(d);return{ask:()=>v(!0),open:d,end(){f(),x(),m.remove()}}}function D(){let{globalPrivacyControl:e,doNotTrack:n}=navigator;return e===!0||n==="1"}function F(e){let n,o=()=>{n=b(e)};return document.body?o():document.addEventListener("DOMContentLoaded",o,{once:!0}),()=>{document.removeEventListener("DOMContentLoaded",o),n?.()}}function N(e){let n=o=>{o.composedPath().some(i=>i instanceof Element&&i.hasAttribute(V))&&(o.preventDefault(),e())};return document.addEventListener("click",n),()=>document.removeEventListener("click",n)}var B=window;b(()=>{let e=B.conciergeBanner??{};"ask"in e||(B.conciergeBanner=O(w(),e))});})();
