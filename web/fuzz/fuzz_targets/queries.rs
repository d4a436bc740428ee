//! `bench/fuzz queries`: what stands behind the `?` of a request.
#![no_main]

libfuzzer_sys::fuzz_target!(|query: &str| {
    let said = komandorr_web::fuzz_query(query);
    // A sentence, whatever it is about.
    assert!(said.iter().all(|message| message.chars().count() < 300), "{said:?}");
});
