// Every shape the op tests use, declared once: the same row is checked against the reference on each backend, in each
// element type and mode, and by central differences. A row says why it is here.
#pragma once

#include <string>
#include <vector>

#include "kernels/api/batch_norm.h"
#include "kernels/api/conv2d.h"
#include "kernels/api/dense.h"
#include "kernels/api/pool.h"

// Tables in columns:
// clang-format off
namespace tsugi {
namespace test {

struct Conv2dCase {
  std::string why;
  Conv2dShape shape;
};

struct DenseCase {
  std::string why;
  DenseShape shape;
};

struct BatchNormCase {
  std::string why;
  BatchNormShape shape;
};

struct PoolCase {
  std::string why;
  PoolShape shape;
};

inline const std::vector<Conv2dCase>& conv2d_cases() {
  static const std::vector<Conv2dCase> kCases = {
      // why                                      n   h   w   c   k  r  s stride  pad  groups
      {"3x3, aligned",                           {2,  8,  8, 16, 16, 3, 3, 1, 1, 1, 1, 1}},
      {"3x3, every size one less",               {1,  7,  7, 15, 15, 3, 3, 1, 1, 1, 1, 1}},
      {"3x3, every size one more",               {3,  9,  9, 17, 17, 3, 3, 1, 1, 1, 1, 1}},
      {"3x3, around 32 channels",                {1,  5,  6, 33, 31, 3, 3, 1, 1, 1, 1, 1}},
      {"every size 1",                           {1,  1,  1,  1,  1, 1, 1, 1, 1, 0, 0, 1}},
      {"one pixel, the rest padding",            {3,  1,  1,  8,  8, 3, 3, 1, 1, 1, 1, 1}},
      {"first layer: three channels",            {2, 12, 12,  3, 32, 3, 3, 1, 1, 1, 1, 1}},
      {"one channel in, one out",                {2,  6,  6,  1,  1, 3, 3, 1, 1, 1, 1, 1}},
      {"one filter",                             {1,  6,  5, 16,  1, 3, 3, 1, 1, 1, 1, 1}},
      {"no padding",                             {1, 10,  7,  8, 16, 3, 3, 1, 1, 0, 0, 1}},
      {"more padding than half a filter",        {1,  5,  5,  8,  8, 3, 3, 1, 1, 2, 2, 1}},
      {"padding wider than the filter",          {1,  4,  4,  5,  6, 1, 1, 1, 1, 1, 1, 1}},
      {"filter as large as the input",           {3,  6,  6,  4,  8, 6, 6, 1, 1, 0, 0, 1}},
      {"1x1",                                    {2,  7,  7, 24, 40, 1, 1, 1, 1, 0, 0, 1}},
      {"1x1, ragged",                            {1,  3,  5, 65, 63, 1, 1, 1, 1, 0, 0, 1}},
      {"1x1 stride 2, a residual's shortcut",    {2,  8,  8, 16, 32, 1, 1, 2, 2, 0, 0, 1}},
      {"1x1 stride 2, odd input",                {1,  7,  9,  9,  7, 1, 1, 2, 2, 0, 0, 1}},
      {"3x3 stride 2, even input",               {2,  8,  8, 16, 32, 3, 3, 2, 2, 1, 1, 1}},
      {"3x3 stride 2, odd input",                {1,  9,  9, 12, 20, 3, 3, 2, 2, 1, 1, 1}},
      {"a last column that no window reads",     {1,  9, 10,  8,  8, 3, 3, 2, 2, 0, 0, 1}},
      {"strides that jump over pixels",          {1, 11, 11,  8,  8, 2, 2, 4, 3, 0, 0, 1}},
      {"strides and padding differ by axis",     {2,  9,  8,  8, 16, 3, 3, 1, 2, 1, 0, 1}},
      {"5x5",                                    {1,  9,  9,  8, 16, 5, 5, 1, 1, 2, 2, 1}},
      {"5x5 stride 3",                           {1, 11, 10,  6,  8, 5, 5, 3, 3, 1, 2, 1}},
      {"7x7 stride 2 on three channels",         {1, 15, 15,  3, 16, 7, 7, 2, 2, 3, 3, 1}},
      {"even filter 2x2, stride 2",              {2,  8,  8,  8, 16, 2, 2, 2, 2, 0, 0, 1}},
      {"even filter 4x4",                        {1,  8,  7,  8,  8, 4, 4, 1, 1, 1, 1, 1}},
      {"1x3 filter",                             {1,  6,  8,  8,  8, 1, 3, 1, 1, 0, 1, 1}},
      {"5x2 filter, stride 1x2",                 {1,  8,  9,  8, 16, 5, 2, 1, 2, 2, 1, 1}},
      {"one row, one column out",                {2,  1, 19,  8,  8, 1, 7, 1, 2, 0, 3, 1}},
      {"2 groups",                               {2,  6,  6, 16, 24, 3, 3, 1, 1, 1, 1, 2}},
      {"4 groups, ragged",                       {1,  5,  7, 12, 20, 3, 3, 2, 1, 1, 1, 4}},
      {"1x1 in groups",                          {1,  5,  5, 32, 16, 1, 1, 1, 1, 0, 0, 4}},
      {"depthwise",                              {2,  8,  8, 32, 32, 3, 3, 1, 1, 1, 1, 32}},
      {"depthwise stride 2, ragged",             {1,  9,  8, 17, 17, 3, 3, 2, 2, 1, 1, 17}},
      {"depthwise 5x5",                          {1,  8,  9, 15, 15, 5, 5, 1, 1, 2, 2, 15}},
      {"depthwise, two filters a channel",       {1,  6,  6,  8, 16, 3, 3, 1, 1, 1, 1, 8}},
      {"depthwise, stride without padding",      {3,  7,  7, 16, 16, 3, 3, 2, 2, 0, 0, 16}},
      {"depthwise stride 2, aligned",            {1, 10,  9, 12, 12, 3, 3, 2, 2, 1, 1, 12}},
      {"depthwise 5x5, aligned",                 {2,  6,  7,  8,  8, 5, 5, 1, 1, 2, 2,  8}},
      {"depthwise 5x5 stride 2, aligned",        {1,  9, 10, 36, 36, 5, 5, 2, 2, 2, 2, 36}},
      {"depthwise 2x3, stride and padding differ", {1, 7, 8,  8,  8, 2, 3, 1, 2, 0, 1,  8}},
  };
  return kCases;
}

/// Too large for central differences: kernels that work in blocks must also be seen with several of them.
inline const std::vector<Conv2dCase>& large_conv2d_cases() {
  static const std::vector<Conv2dCase> kCases = {
      // why                                      n   h   w    c   k  r  s stride  pad  groups
      {"several blocks of rows",                 {2, 50, 33,  35,  5, 3, 3, 1, 1, 1, 1, 1}},
      {"several blocks of rows, stride 2",       {1, 51, 64,  33, 40, 3, 3, 2, 2, 1, 1, 1}},
      {"several blocks of rows, 5x5 stride 3x2", {1, 70, 64,  33,  8, 5, 5, 3, 2, 2, 2, 1}},
      {"first layer on a whole photo",           {1, 64, 64,   3, 33, 3, 3, 1, 1, 1, 1, 1}},
      {"7x7 stride 2 on a whole photo",          {1, 64, 63,   3, 34, 7, 7, 2, 2, 3, 3, 1}},
      {"long rows",                              {1,  3, 300, 20, 34, 3, 3, 1, 1, 1, 1, 1}},
      {"many channels",                          {1,  6,  7, 130, 70, 3, 3, 1, 1, 1, 1, 1}},
      {"many images",                            {9,  5,  5,  18, 34, 3, 3, 1, 1, 1, 1, 1}},
      {"1x1 of many pixels",                     {1, 30, 31, 100, 36, 1, 1, 1, 1, 0, 0, 1}},
      {"depthwise on many pixels",               {2, 32, 33,  40, 40, 3, 3, 1, 1, 1, 1, 40}},
      {"channels in eights, several blocks",     {2, 13, 11, 72, 136, 3, 3, 1, 1, 1, 1, 1}},
      {"channels in eights, stride 2, groups",   {1, 25, 23, 80, 144, 3, 3, 2, 2, 1, 1, 2}},
      // Long enough to tell a sum that stays in float16 from one in float32, too short to be split over the grid:
      {"a long sum over channels",               {64, 1,  1, 480, 128, 1, 1, 1, 1, 0, 0, 1}},
      {"a long sum over filters",                {64, 1,  1, 128, 480, 1, 1, 1, 1, 0, 0, 1}},
      {"a long sum over images",                 {480, 1, 1,  64,  64, 1, 1, 1, 1, 0, 0, 1}},
  };
  return kCases;
}

inline const std::vector<DenseCase>& dense_cases() {
  static const std::vector<DenseCase> kCases = {
      // why                        n   in  out
      {"aligned",                 {16, 64, 32}},
      {"every size one less",     {15, 63, 31}},
      {"every size one more",     {17, 65, 33}},
      {"every size 1",            { 1,  1,  1}},
      {"one sample",              { 1, 40, 33}},
      {"one input",               { 3,  1,  9}},
      {"one output",              { 5, 37,  1}},
      {"a long sum",              { 2, 2049, 3}},
      {"the head of a classifier", {64, 256, 33}},
  };
  return kCases;
}

inline const std::vector<BatchNormCase>& batch_norm_cases() {
  static const std::vector<BatchNormCase> kCases = {
      // why                        rows   c
      {"aligned",                 {  64, 32}},
      {"every size one less",     {  63, 31}},
      {"every size one more",     {  65, 33}},
      {"one row",                 {   1,  9}},
      {"two rows",                {   2,  3}},
      {"one channel",             { 100,  1}},
      {"many rows",               {3001, 17}},
      {"many channels",           {   5, 515}},
  };
  return kCases;
}

inline const std::vector<PoolCase>& pool_cases() {
  static const std::vector<PoolCase> kCases = [] {
    constexpr PoolKind kMax = PoolKind::max, kAverage = PoolKind::average;
    return std::vector<PoolCase>{
        // why                                 n   h   w   c  r  s stride pad
        {"max 2x2, aligned",                 {2,  8,  8, 32, 2, 2, 2, 2, 0, 0, kMax}},
        {"max 2x2, odd input",               {1,  7,  9, 17, 2, 2, 2, 2, 0, 0, kMax}},
        {"max of single pixels",             {2,  3,  3,  5, 1, 1, 1, 1, 0, 0, kMax}},
        {"max, every size 1",                {1,  1,  1,  1, 1, 1, 1, 1, 0, 0, kMax}},
        {"max 3x3 stride 2, overlapping",    {2,  8,  9, 16, 3, 3, 2, 2, 1, 1, kMax}},
        {"max 3x3 stride 1, overlapping",    {1,  6,  5, 15, 3, 3, 1, 1, 1, 1, kMax}},
        {"max, strides that jump",           {3, 10, 11,  8, 2, 2, 3, 4, 0, 0, kMax}},
        {"max 3x2, padding by axis",         {1,  7,  6,  9, 3, 2, 1, 2, 0, 1, kMax}},
        {"max of the whole image",           {2, 15, 17,  4, 15, 17, 1, 1, 0, 0, kMax}},
        {"average 2x2, aligned",             {2,  8,  8, 32, 2, 2, 2, 2, 0, 0, kAverage}},
        {"average 3x3 stride 2, padding",    {1,  9,  8, 17, 3, 3, 2, 2, 1, 1, kAverage}},
        {"average 3x3 stride 1, padding",    {3,  5,  5, 15, 3, 3, 1, 1, 1, 1, kAverage}},
        {"average, strides that jump",       {1, 10,  9,  8, 2, 3, 3, 4, 0, 0, kAverage}},
        {"average, every size 1",            {1,  1,  1,  1, 1, 1, 1, 1, 0, 0, kAverage}},
        {"global average",                   {3,  8,  8, 64, 8, 8, 1, 1, 0, 0, kAverage}},
        {"global average, ragged",           {2,  7,  5, 33, 7, 5, 1, 1, 0, 0, kAverage}},
        {"global average of many pixels",    {1, 32, 31,  3, 32, 31, 1, 1, 0, 0, kAverage}},
    };
  }();
  return kCases;
}

}  // namespace test
}  // namespace tsugi
