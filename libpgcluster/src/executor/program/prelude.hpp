#pragma once

namespace pgcluster::executor {

/// The shell functions that every program is made of; a program carries only the parts that it needs.
extern const char* const kPreludeBase;
extern const char* const kPreludeDos;
extern const char* const kPreludeApt;
extern const char* const kPreludeUnits;
extern const char* const kPreludeMore;
extern const char* const kPreludeAsks;

}  // namespace pgcluster::executor
