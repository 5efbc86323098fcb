# Starts stompserver from its configuration. Debian's script sets class variables from outside of their class, which
# Ruby 3 refuses; and `Hash#select` gave an array when the library was written, without which a second message of a backlog
# ends the connection. The library is the same.
require 'etc'
require 'optparse'
require 'yaml'
require 'stomp_server'

$STOMP_SERVER = true
$stdout.sync = true
ARGV.replace(['-C', ARGV.fetch(0)])
EventMachine.run do
  options = StompServer::Configurator.new.opts
  run = StompServer::Run.new(options)
  run.start
  queues = run.queue_manager.instance_variable_get(:@queues)
  queues.define_singleton_method(:select) { |&block| super(&block).to_a }
  protocol = StompServer::Protocols::Stomp
  %i[auth_required queue_manager topic_manager stompauth].each do |name|
    protocol.class_variable_set("@@#{name}", run.public_send(name))
  end
  EventMachine.start_server(options[:host], options[:port], protocol)
end
