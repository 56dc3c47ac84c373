use std::time::{Duration, Instant};
use store::*;
fn mix(v: u64) -> u64 {
    let v = v.wrapping_add(0x9e3779b97f4a7c15);
    let v = (v ^ (v >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
    let v = (v ^ (v >> 27)).wrapping_mul(0x94d049bb133111eb);
    v ^ (v >> 31)
}
fn rss() -> u64 {
    let s = std::fs::read_to_string("/proc/self/statm").unwrap();
    s.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4 / 1024
}
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let v: Vec<&str> = s.rsplit(") ").next().unwrap().split(' ').collect();
    (v[11].parse::<f64>().unwrap() + v[12].parse::<f64>().unwrap()) / 100.0
}
fn written() -> u64 {
    let s = std::fs::read_to_string("/proc/self/io").unwrap();
    s.lines().find(|l| l.starts_with("write_bytes")).unwrap()[13..].parse::<u64>().unwrap() >> 20
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let dir = std::path::PathBuf::from(&a[1]);
    let threads: usize = a[2].parse().unwrap();
    let events: u64 = a[3].parse().unwrap();
    let t = Instant::now();
    let s =
        Fjall::open(&dir, FjallOptions { worker_threads: threads, ..Default::default() }).unwrap();
    println!("open {:?} rss {} MB", t.elapsed(), rss());
    let mut body = vec![0u8; 900];
    for (i, b) in body.iter_mut().enumerate() {
        *b = (mix(i as u64)) as u8
    }
    let t = Instant::now();
    let c0 = cpu();
    let mut lat: Vec<Duration> = vec![];
    let mut seq = 0u64;
    let mut maxrss = 0;
    while seq < events {
        let mut b = Batch::with_capacity(1200, 400_000);
        for _ in 0..256 {
            let p = mix(seq) % 1_000_000;
            let h = mix(p);
            let lane = (h % 1024) as u16;
            let mut k = lane.to_be_bytes().to_vec();
            k.extend(h.to_be_bytes());
            b.put(Table::Strand, &k, &body[..700]);
            let mut tk = k.clone();
            tk.push(1);
            tk.extend(seq.to_be_bytes());
            b.put(Table::Strand, &tk, &body[..150]);
            b.put(Table::Log, seq.to_be_bytes(), &body[..250]);
            let mut dk = lane.to_be_bytes().to_vec();
            dk.extend(mix(seq ^ 7).to_be_bytes());
            dk.extend(mix(seq ^ 9).to_be_bytes());
            b.put(Table::Dedup, &dk, [0; 8]);
            if seq % 5 == 0 {
                b.put(Table::Index, &dk, &k);
                let mut q = k.clone();
                q.extend(seq.to_be_bytes());
                b.put(Table::Timer, &q, &body[..20]);
            }
            seq += 1;
        }
        b.put(Table::Meta, b"seq", seq.to_be_bytes());
        let c = Instant::now();
        s.commit(b).unwrap();
        lat.push(c.elapsed());
        if seq % 25_600 == 0 {
            maxrss = maxrss.max(rss());
        }
    }
    lat.sort();
    let el = t.elapsed().as_secs_f64();
    println!(
        "threads {threads}: {:.0} ev/s cpu {:.1} us/ev, commit p50 {:?} p99 {:?} max {:?} rss {} maxrss {} written {} MB = {} B/ev",
        events as f64 / el,
        (cpu() - c0) * 1e6 / events as f64,
        lat[lat.len() / 2],
        lat[lat.len() * 99 / 100],
        lat[lat.len() - 1],
        rss(),
        maxrss,
        written(),
        (written() << 20) / events
    );
    println!("{:?}", s.usage());
    let t = Instant::now();
    let mut n = 0;
    for i in 0..50_000u64 {
        let p = mix(i * 77) % 1_000_000;
        let h = mix(p);
        let mut k = ((h % 1024) as u16).to_be_bytes().to_vec();
        k.extend(h.to_be_bytes());
        if s.get(Table::Strand, &k).unwrap().is_some() {
            n += 1
        }
    }
    println!("get {:?} each, hits {n}", t.elapsed() / 50_000);
    std::process::abort();
}
