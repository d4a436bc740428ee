//! `bench/fuzz samples`: a payload. What is read can be written and read again.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(samples) = komandorr_wire::decode(bytes) {
        let again = komandorr_wire::decode(&komandorr_wire::encode(&samples));
        assert_eq!(again.as_ref(), Ok(&samples));
    }
});
