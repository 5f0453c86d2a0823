#include "spec/yaml.hpp"

#include <doctest/doctest.h>
