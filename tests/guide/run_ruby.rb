# Runs the guide's Ruby client as it is printed. See README.md beside this file.
url = ENV.fetch('WHARFINGER_URL').chomp('/')
user = ENV.fetch('WHARFINGER_USER')
pass = ENV.fetch('WHARFINGER_PASS')
cuid = ENV.fetch('WHARFINGER_CUID')

$checked = 0
def check(what, holds, seen = nil)
  $checked += 1
  puts "#{holds ? 'ok' : 'FAILED'}: #{what}"
  abort "#{what}; seen: #{seen.inspect}" unless holds
end

source = File.read(File.join(__dir__, 'ruby', 'container_manager.rb'))
{ "'http://localhost:8080'" => url, "'admin'" => user, "'password'" => pass,
  "'c123e4567-e89b-12d3-a456-426614174000'" => cuid }.each do |old, new|
  abort "container_manager.rb no longer holds #{old}" unless source.include?(old)
  source = source.gsub(old) { new.dump }
end
started = eval(source, TOPLEVEL_BINDING, 'container_manager.rb')
check('the usage: start of what runs answers the container', started['status'] == 'running', started)

manager = ContainerManager.new(url, user, pass)
{ 'stop' => 'exited', 'start' => 'running', 'restart' => 'running',
  'pause' => 'paused', 'unpause' => 'running' }.each do |action, status|
  answer = manager.public_send(action, cuid)
  check("#{action} answers the container, #{status}", answer['cuid'] == cuid && answer['status'] == status, answer)
end

refused = manager.unpause(cuid)
check('unpause of what is not paused is a state_error',
      refused['error'] == 'state_error' && refused['status'] == 422, refused)
puts "ruby: #{$checked} checks hold"
