/* Whether AddressSanitizer is compiled in, whichever compiler says so: then more is checked. */
#ifndef PROTOCOL_SANITIZER_H
#define PROTOCOL_SANITIZER_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#define UNDER_ASAN 1
#else
#define UNDER_ASAN 0
#endif

#endif
