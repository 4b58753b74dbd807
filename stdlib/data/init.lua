--- Data sets and the file formats they come in.
return {
  --- data.idx(path): a tensor from an idx file, plain or gzipped.
  idx = require('data.idx').read,
  --- data.mnist(options): the digits that come with Moonlet.
  mnist = require 'data.mnist',
  --- data.characters(text): classes for the bytes of a text, and back.
  characters = require 'data.characters',
}
